package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

var (
	//go:embed scripts/fetch.mjs
	nodeScript string
	//go:embed scripts/fetch.py
	pythonScript string
)

var (
	aiohttp = python("aiohttp")
	httpx   = python("httpx")
)

// python returns a contender that uses a Python library.
func python(library string) contender {
	return contender{
		name:   library,
		cannot: plainOnly,
		missing: func() error {
			if exec.Command("python3", "-c", "import "+library).Run() != nil {
				return errors.New("python3 does not have this module")
			}
			return nil
		},
		command: func(w work) (string, []string) {
			return "python3", []string{"-c", pythonScript, library, w.json()}
		},
	}
}

// nodeFetch is undici, as node's own fetch.
var nodeFetch = contender{
	name:    "node fetch",
	cannot:  plainOnly,
	missing: installed("node"),
	command: func(w work) (string, []string) {
		return "node", []string{"--input-type=module", "--eval", nodeScript, w.json()}
	},
}

// plainOnly excludes scenarios with HTTP/2.
func plainOnly(s scenario) string {
	if s.tls {
		return "it has no HTTP/2 by default"
	}
	return ""
}

// installed returns a function that returns an error if the program is not
// installed.
func installed(program string) func() error {
	return func() error {
		_, err := exec.LookPath(program)
		return err
	}
}

// json returns the work for a script.
func (w work) json() string {
	b, err := json.Marshal(map[string]any{
		"url": w.url, "blocks": w.blocks, "perBlock": w.perBlock, "inFlight": w.inFlight, "size": w.size,
	})
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	return string(b)
}

// curl starts one program for a block, and its start and exit count as part of
// the time. It drops the bodies, so only their length is checked.
var curl = contender{
	name:    "curl -Z",
	foreign: true,
	missing: installed("curl"),
	cannot: func(s scenario) string {
		switch {
		case s.blocks > 1:
			return "it would start a program for each block"
		case s.inFlight > 300:
			return "it sends at most 300 at once"
		}
		return ""
	},
	open: func(w work) block {
		return func(ctx context.Context, take func([]byte)) error {
			cmd := exec.CommandContext(ctx, "curl", "--silent", "--no-progress-meter", "--show-error",
				"--fail", "--fail-early", "--max-time", "30", "--cacert", os.Getenv("SSL_CERT_FILE"), "--parallel", "--parallel-max", strconv.Itoa(w.inFlight), "--output", "/dev/null",
				"--write-out", "%{size_download}\n", w.url+"&n=[1-"+strconv.Itoa(w.perBlock)+"]")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				return failed(err, stderr.String())
			}
			whole := content(w.size)
			for lines := bufio.NewScanner(&stdout); lines.Scan(); {
				n, err := strconv.Atoi(lines.Text())
				if err != nil || n > w.size {
					return fmt.Errorf("curl reports a body of %s bytes", lines.Text())
				}
				take(whole[:n])
			}
			return nil
		}
	},
}
