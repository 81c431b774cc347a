package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A driver runs contenders. Each has a process and an upstream of its own, so
// that no run can be affected by an earlier one.
type driver struct {
	self   string  // the path of this program
	folder string  // for the upstream's certificate
	scale  float64 // part of a scenario's requests
	rounds int     // odd, so that the median is a measured value
	pinned bool    // a contender has one core, and its upstream another
}

// patience limits the time of one run.
const patience = 10 * time.Minute

// noisy is the spread of the baseline above which more rounds are run.
const noisy = 0.05

// A report has the results of a scenario.
type report struct {
	scenario scenario
	scale    float64
	pinned   bool
	rounds   rounds
	missing  map[string]string // why contenders have no outcome, by name
}

// measure runs a scenario. In each round, the baseline runs twice and every
// other contender once, in random order.
func (d *driver) measure(ctx context.Context, s scenario, who []contender) (report, error) {
	r := report{scenario: s, scale: d.scale, pinned: d.pinned, rounds: make(rounds), missing: make(map[string]string)}
	runs := map[string]contender{handtuned.name: handtuned, again: handtuned}
	for _, c := range who {
		if !c.takesPart(s) {
			continue
		}
		if why := c.absent(s); why != "" {
			r.missing[c.name] = why
		} else {
			runs[c.name] = c
		}
	}
	least := d.rounds
	for n := 0; n < least || least > 1 && n < 3*least && r.rounds.noisy(); n++ {
		names := slices.Sorted(maps.Keys(runs))
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			o, err := d.run(ctx, s.scaled(d.scale), runs[name])
			switch {
			case ctx.Err() != nil:
				return r, context.Cause(ctx)
			case err != nil && runs[name].name == handtuned.name:
				return r, fmt.Errorf("%s: %s: %w", s.name, name, err)
			case err != nil:
				log.Printf("%s: %s is left out from now on: %v", s.name, name, err)
				r.missing[name] = err.Error()
				delete(runs, name)
				delete(r.rounds, name)
				continue
			}
			log.Printf("%s: round %d: %s: wall %s, CPU %s", s.name, n+1, name, wall.text(wall.of(o)), cpu.text(cpu.of(o)))
			r.rounds[name] = append(r.rounds[name], o)
		}
	}
	return r, nil
}

// noisy reports whether more rounds would help: either their number is even, or
// the baseline's two runs differ too much.
func (rs rounds) noisy() bool {
	return len(rs[again])%2 == 0 || rs.spread(wall, quotient) > noisy || rs.spread(cpu, quotient) > noisy
}

// takesPart reports whether the contender is meant for a scenario.
func (c contender) takesPart(s scenario) bool {
	return (s.only == nil || slices.Contains(s.only, c.name)) && (c.rowOf == "" || c.rowOf == s.name)
}

// absent returns why a contender that is meant for a scenario cannot do it, or
// "" if it can.
func (c contender) absent(s scenario) string {
	if c.cannot != nil {
		if why := c.cannot(s); why != "" {
			return why
		}
	}
	if c.missing != nil {
		if err := c.missing(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// run starts an upstream and a contender, and waits for both.
func (d *driver) run(ctx context.Context, s scenario, c contender) (o outcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the run took longer than %v", patience))
	defer cancel()
	certificate := filepath.Join(d.folder, "certificate.pem")
	up := d.command(ctx, upstreamCore, d.self, "upstream", "-certificate", certificate)
	up.Stderr = os.Stderr
	in, err := up.StdinPipe()
	if err != nil {
		return o, err
	}
	out, err := up.StdoutPipe()
	if err != nil {
		return o, err
	}
	if err := up.Start(); err != nil {
		return o, err
	}
	defer func() {
		in.Close()
		err = errors.Join(err, up.Wait())
	}()
	tells := json.NewDecoder(out)
	var at addresses
	if err := tells.Decode(&at); err != nil {
		return o, fmt.Errorf("the upstream didn't start: %w", err)
	}
	name, args := d.self, []string{"run", "-contender", c.name, "-scenario", s.name,
		"-scale", strconv.FormatFloat(d.scale, 'g', -1, 64), "-plain", at.Plain, "-tls", at.TLS}
	if c.command != nil {
		name, args = c.command(work{scenario: s, url: s.url(at)})
	}
	cmd := d.command(ctx, contenderCore, name, args...)
	// Go and OpenSSL trust only this certificate.
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+certificate, "SSL_CERT_DIR="+d.folder)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return o, failed(err, stderr.String())
	}
	if err := json.NewDecoder(&stdout).Decode(&o); err != nil {
		return o, fmt.Errorf("the contender printed no outcome: %w", err)
	}
	in.Close()
	if err := tells.Decode(&o.upstream); err != nil {
		return o, fmt.Errorf("the upstream printed no counts: %w", err)
	}
	return o, o.check(s)
}

// The cores of a pinned run.
const (
	contenderCore = "0"
	upstreamCore  = "1"
)

// command returns the command that runs a program, on one core if d is pinned.
// Then neither process waits for the other, and neither moves between cores. On
// two cores, the two runs of the baseline in S2 differed by 1 to 2 % then, and
// by 4 % otherwise.
func (d *driver) command(ctx context.Context, core, name string, args ...string) *exec.Cmd {
	if d.pinned {
		name, args = "taskset", append([]string{"-c", core, name}, args...)
	}
	return exec.CommandContext(ctx, name, args...)
}

// failed returns err with the first line that a program printed about its
// failure.
func failed(err error, stderr string) error {
	says, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return fmt.Errorf("%w: %s", err, says)
}
