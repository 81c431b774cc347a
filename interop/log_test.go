//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// accounts says how often each id is in the access log of a server, or has come
// to the application.
type accounts map[int]int

// total returns how many requests are in the log.
func (a accounts) total() int {
	n := 0
	for _, k := range a {
		n += k
	}
	return n
}

// read returns what is in the access log now.
func (r *running) read() accounts {
	if r.log != "" {
		return r.count(r.log)
	}
	return r.count("output.log")
}

// came returns the requests that have come to the application, done or not. A
// server that answers itself prints each as it comes.
func (r *running) came() accounts {
	if r.origin {
		return r.count("output.log")
	}
	return r.backend.all()
}

// count returns the requests in a file.
func (r *running) count(file string) accounts {
	line := r.logged
	if line == nil {
		line = requestLine
	}
	b, _ := os.ReadFile(filepath.Join(r.Dir, file))
	a := accounts{}
	for _, m := range line.FindAllSubmatch(b, -1) {
		id, _ := strconv.Atoi(string(m[len(m)-1]))
		a[id]++
	}
	return a
}

// settled returns what is in the access log when at least want requests are,
// or when nothing was added for a while: servers write their logs after the
// answer.
func (r *running) settled(proto protocol, want int) accounts {
	if !r.tells(proto) {
		return nil
	}
	last, since := -1, time.Now()
	for {
		a := r.read()
		n := a.total()
		if n != last {
			last, since = n, time.Now()
		}
		quiet := time.Since(since)
		if n >= want && quiet > 200*time.Millisecond || quiet > 5*time.Second {
			return a
		}
		time.Sleep(50 * time.Millisecond)
	}
}
