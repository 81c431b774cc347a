// Command programs compares the program abreast with curl -Z, wget2 and aria2c, where
// they are installed: one list of small URLs of a server on loopback, 100 at a time, to
// nowhere and to files. All of them run in turn, for several rounds. The medians are
// reported, and the shortest and longest time. With -million it runs abreast alone over
// a million URLs, and reports its memory.
//
// abreast follows redirects, decompresses, retries, does not wait for a silent server,
// and writes a line of JSON for each URL. "curl -Z, same job" is told to do all that.
// The other programs run with their defaults. What they write goes to the null device.
//
//	go run -C bench ./programs
//	go run -C bench ./programs -curl curl,/opt/curl-8/bin/curl
//	go run -C bench ./programs -million
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// bodyLength is the length of a body, in bytes.
const bodyLength = 200

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 10_000, "`URLs` in the list")
	rounds := flag.Int("rounds", 5, "rounds")
	million := flag.Bool("million", false, "abreast alone, a million URLs")
	curls := flag.String("curl", "curl", "the `programs` to compare with as curl, with commas between them")
	flag.Parse()
	dir, err := os.MkdirTemp("", "programs-")
	if err == nil {
		err = run(dir, *n, *rounds, *million, strings.Split(*curls, ","))
		os.RemoveAll(dir)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(dir string, n, rounds int, million bool, curls []string) error {
	address, err := serve()
	if err != nil {
		return err
	}
	build := exec.Command("go", "build", "-C", "../cmd/abreast", "-o", filepath.Join(dir, "abreast"))
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building abreast: %w\n%s", err, out)
	}
	if million {
		n, rounds = 1_000_000, 1
	}
	l := list{dir: dir, address: address, n: n}
	if err := l.write(); err != nil {
		return err
	}
	all := l.contenders(curls)
	if million {
		all = all[:1]
	}
	for range rounds {
		for _, c := range all {
			if err := c.run(&l); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d URLs, %d bytes each, 100 at a time; median (least to most) of %d rounds\n\n", n, bodyLength, rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "program\tto\twall\tCPU\tpeak memory")
	for _, c := range all {
		wall := median(c.wall) // which sorts them
		fmt.Fprintf(w, "%s\t%s\t%.2f s (%.2f to %.2f)\t%.2f s\t%.0f MB\n", c.name, c.to, wall, c.wall[0], c.wall[len(c.wall)-1], median(c.cpu), median(c.peak))
	}
	return w.Flush()
}

// serve starts the server.
func serve() (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	body := []byte(strings.Repeat("x", bodyLength))
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	}))
	return l.Addr().String(), nil
}

// A list is the list of URLs, in the form of each program.
type list struct {
	dir, address string
	n            int
	runs         int // that have ended
}

func (l *list) path(name string) string { return filepath.Join(l.dir, name) }

func (l *list) write() error {
	// What abreast does without being told: -timeout 30, and with -dir, -stall 30.
	const (
		sameJob     = "location\ncompressed\nretry=4\nwrite-out=\"%{json}\\n\"\n"
		sameNowhere = sameJob + "max-time=30\n"
		sameFiles   = sameJob + "speed-limit=1\nspeed-time=30\n"
	)
	var urls, toNowhere, toFiles strings.Builder
	for i := range l.n {
		url := fmt.Sprintf("http://%s/item/%d", l.address, i)
		fmt.Fprintln(&urls, url)
		fmt.Fprintf(&toNowhere, "url=%q\noutput=%q\n", url, os.DevNull)
		fmt.Fprintf(&toFiles, "url=%q\noutput=%q\n", url, filepath.Join(l.path("files"), fmt.Sprint(i)))
	}
	for name, text := range map[string]string{
		"urls":         urls.String(),
		"curl-nowhere": toNowhere.String(), "curl-same-nowhere": sameNowhere + toNowhere.String(),
		"curl-files": toFiles.String(), "curl-same-files": sameFiles + toFiles.String(),
	} {
		if err := os.WriteFile(l.path(name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// A contender is a program with its flags.
type contender struct {
	name            string
	to              string // where the bodies go: nowhere or files
	args            []string
	wall, cpu, peak []float64 // seconds and MB, of each round
}

const (
	nowhere = "nowhere"
	files   = "files"
)

// contenders returns the programs that are installed, abreast to nowhere first.
func (l *list) contenders(curls []string) []*contender {
	return slices.Concat(
		installed("abreast", nowhere, l.path("abreast"), "-quiet", "-out", os.DevNull, l.path("urls")),
		l.curls(curls, nowhere),
		installed("wget2", nowhere, "wget2", "-q", "--max-threads=100", "-O", os.DevNull, "-i", l.path("urls")),
		installed("abreast", files, l.path("abreast"), "-quiet", "-out", os.DevNull, "-dir", l.path("files"), l.path("urls")),
		l.curls(curls, files),
		installed("wget2", files, "wget2", "-q", "--max-threads=100", "-P", l.path("files"), "-i", l.path("urls")),
		installed("aria2c", files, "aria2c", "-q", "-j", "100", "-d", l.path("files"), "-i", l.path("urls")),
	)
}

// curls returns each of the curls twice, the second time for the same job.
func (l *list) curls(programs []string, to string) (all []*contender) {
	for _, curl := range programs {
		out, _ := exec.Command(curl, "--version").Output()
		version, _, _ := strings.Cut(strings.TrimPrefix(string(out), "curl "), " ")
		add := func(job, config string) {
			all = append(all, installed("curl "+version+" -Z"+job, to, curl, "-s", "-Z", "--parallel-max", "100", "-K", l.path(config))...)
		}
		add("", "curl-"+to)
		add(", same job", "curl-same-"+to)
	}
	return all
}

// installed returns a contender, or none if it is not installed.
func installed(name, to string, args ...string) []*contender {
	if _, err := exec.LookPath(args[0]); err != nil {
		fmt.Fprintf(os.Stderr, "left out, to %s: %v\n", to, err)
		return nil
	}
	return []*contender{{name: name, to: to, args: args}}
}

// run runs a contender once, and checks that it has written all files. They stay
// until the end, under another name: for minutes after many files were removed,
// ext4 takes several times as long to create one (recently_deleted in its ialloc.c),
// and the next contender would pay for it.
func (c *contender) run(l *list) error {
	if err := os.Mkdir(l.path("files"), 0o777); err != nil {
		return err
	}
	defer func() {
		l.runs++
		os.Rename(l.path("files"), l.path(fmt.Sprint("files", l.runs)))
	}()
	cmd := exec.Command(c.args[0], c.args[1:]...) // its output goes to the null device
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	ended, peak := make(chan struct{}), make(chan float64)
	go func() { peak <- peakMemory(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	took := time.Since(start)
	close(ended)
	c.peak = append(c.peak, <-peak/1e6)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	c.wall = append(c.wall, took.Seconds())
	c.cpu = append(c.cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	if c.to == files {
		names, err := os.ReadDir(l.path("files"))
		if err != nil || len(names) != l.n {
			return fmt.Errorf("%s has written %d files, want %d (%w)", c.name, len(names), l.n, err)
		}
	}
	return nil
}

// median sorts all and returns the one in the middle.
func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
