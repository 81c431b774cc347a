//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// kill -9 in the middle of two batches: some URLs are done, four are on their
// way, and the others wait. The next worker fetches what is not done.
func TestWorker_killed(t *testing.T) {
	t.Parallel()
	const urls, done, limit, taken = 40, 5, 4, 2 * 10
	site := startSite(t, nil)
	site.hold(done)
	e := startEngineProcess(t)
	e.feed(t, site.list(urls), "-ack-wait", "5s")
	w := e.work(t, "-limit", "4", "-batch", "10")
	asked(t, site, done+limit)
	inQueue(t, e.job(t), urls-done, taken-done)
	w.kill()
	site.pass()
	e.work(t)
	c := e.collect(t)
	byNumber(t, urls, c.end(t, 0))
	c.says(t, "lost           0", "twice          0")
	if n := site.again(t, urls); n != limit {
		t.Errorf("%d URLs were fetched twice, want the %d that were on their way", n, limit)
	}
}

// kill -9 of the engine, while a feed feeds it, a worker is in the middle of two
// batches and a collector reads along. All of them go on when it is there again.
func TestEngine_killedAndRestarted(t *testing.T) {
	t.Parallel()
	const urls, half, done, limit, taken = 300, 150, 20, 10, 2 * 25
	site := startSite(t, nil)
	release := site.hold(done)
	lines := strings.SplitAfter(site.list(urls), "\n")
	e := startEngineProcess(t)
	feed := start(t, "-role", "feed", "-nats", e.url, "-ack-wait", "2s", "-")
	io.WriteString(feed.stdin, strings.Join(lines[:half], ""))
	j := e.job(t)
	inQueue(t, j, half, 0)
	w := e.work(t, "-limit", "10", "-batch", "25")
	c := e.collect(t)
	first := c.result(t)
	asked(t, site, done+limit)
	inQueue(t, j, half-done, taken-done)
	e.kill()
	io.WriteString(feed.stdin, strings.Join(lines[half:], ""))
	feed.stdin.Close()
	release()
	site.pass()
	e.startAgain(t)
	feed.end(t, 0)
	byNumber(t, urls, append(c.end(t, 0), first))
	c.says(t, "lost           0", "twice          0")
	if n := site.again(t, urls); n > taken {
		t.Errorf("%d URLs were fetched twice, want no more than the %d that were taken", n, taken)
	}
	w.Process.Signal(syscall.SIGTERM)
	w.end(t, 0)
	w.says(t, "the engine is gone")
}

// A worker was paused for longer than AckWait, and others have done its batch.
// What it reports then changes nothing.
func TestWorker_pausedLongerThanAckWait(t *testing.T) {
	t.Parallel()
	const urls, limit, batch = 40, 4, 20
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(urls), "-ack-wait", "5s")
	release := site.hold(0)
	late := e.work(t, "-limit", "4", "-batch", "20")
	asked(t, site, limit)
	late.Process.Signal(syscall.SIGSTOP)
	site.pass()
	e.work(t)
	j := e.job(t)
	inQueue(t, j, 0, 0) // the other has done them all
	before, err := j.results.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release()
	late.Process.Signal(syscall.SIGCONT)
	late.Process.Signal(syscall.SIGTERM)
	late.end(t, 0)
	after, err := j.results.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before.State.LastSeq != after.State.LastSeq {
		t.Errorf("the results have grown from %d to %d", before.State.LastSeq, after.State.LastSeq)
	}
	byNumber(t, urls, e.collect(t).end(t, 0))
	if n := site.again(t, urls); n < limit || n > batch {
		t.Errorf("%d URLs were fetched twice, want the %d that were on their way, and no more than the batch of %d", n, limit, batch)
	}
}

// SIGTERM: what was sent is finished, the rest of the batch is given back at
// once, also if the engine stops too, and nothing is fetched twice.
func TestWorker_stops(t *testing.T) {
	t.Parallel()
	const urls, limit, batch = 600, 4, 500
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(urls), "-ack-wait", "10m")
	release := site.hold(0)
	w := e.work(t, "-limit", "4", "-batch", "500")
	asked(t, site, limit)
	j := e.job(t)
	inQueue(t, j, urls, batch)
	w.Process.Signal(syscall.SIGTERM)
	until(t, func() bool { return strings.Contains(w.stderr.String(), "finishes the requests in flight") },
		func() string { return "the worker does not hear the signal" })
	release()
	w.end(t, 0)
	if n := len(site.asked); n > 0 {
		t.Errorf("the worker has sent %d requests after the signal, want none", n)
	}
	inQueue(t, j, urls-limit, batch-limit) // what was given back counts as with workers until it is taken
	e.Process.Signal(syscall.SIGTERM)
	e.end(t, 0)
	e.startAgain(t) // which doesn't forget it
	e.work(t)
	byNumber(t, urls, e.collect(t).end(t, 0))
	if n := site.again(t, urls); n > 0 {
		t.Errorf("%d URLs were fetched twice, want none", n)
	}
}

// A fleet was stopped and is started again on its store. No URL is fetched
// twice, and the second run writes the results of the first as well.
func TestFleet_stoppedAndRestarted(t *testing.T) {
	t.Parallel()
	const urls = 2000 // more than are fetched before a signal is heard
	site := startSite(t, nil)
	store, list := t.TempDir(), filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte(site.list(urls)), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"-store", store, "-workers", "2", "-limit", "4", "-batch", "20", "-ack-wait", "10s", list}
	release := site.hold(30)
	first := start(t, args...)
	asked(t, site, 31)
	first.Process.Signal(syscall.SIGTERM)
	release()
	got := first.end(t, 1)
	first.says(t, "stopped by a signal")
	if len(got) == urls {
		t.Error("the first fleet was not stopped")
	}
	site.pass()
	second := start(t, args...)
	byNumber(t, urls, second.end(t, 0))
	if n := site.again(t, urls); n > 0 {
		t.Errorf("%d URLs were fetched twice, want none", n)
	}
	// And if the list has grown, with what is new.
	if err := os.WriteFile(list, []byte(site.list(urls+5)), 0o666); err != nil {
		t.Fatal(err)
	}
	byNumber(t, urls+5, start(t, args...).end(t, 0))
}

// If a fleet is killed, the standard input of its workers is closed, and they
// end.
func TestWorker_endsWithFleet(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(2))
	release := site.hold(0)
	w := e.work(t, "-until-eof", "-limit", "1")
	asked(t, site, 1)
	w.stdin.Close()
	release()
	w.end(t, 0)
}

func TestFleet_allWorkersKilled(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	p := start(t, "-workers", "1", "-")
	io.WriteString(p.stdin, site.list(1))
	_, pid, _ := strings.Cut(p.result(t).Worker, "/")
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(n, syscall.SIGKILL)
	p.end(t, 1)
	p.says(t, "signal: killed", "no worker is left")
}
