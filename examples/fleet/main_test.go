package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// The test binary is the program too, if asProgram is in its environment, which
// the workers that it starts inherit.
const asProgram = "FLEET_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A process is the program while it runs.
type process struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr said
}

// A said keeps what a program says, which may be read while it runs.
type said struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self, args...)}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stderr = &p.stderr
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%q said:\n%s", args, &p.stderr)
		}
	})
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.Process.Kill()
	p.Wait()
}

// result waits for the program's next result.
func (p *process) result(t *testing.T) (r result) {
	t.Helper()
	defer time.AfterFunc(watchdog, func() { p.Process.Kill() }).Stop()
	line, err := p.stdout.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// end waits for the program's end, with a status, and returns its results.
func (p *process) end(t *testing.T, status int) []result {
	t.Helper()
	defer time.AfterFunc(watchdog, func() { p.Process.Kill() }).Stop()
	var results []result
	dec := json.NewDecoder(p.stdout)
	dec.DisallowUnknownFields()
	for {
		var r result
		if err := dec.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	if err := p.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if got := p.ProcessState.ExitCode(); got != status {
		t.Fatalf("%q exits with %d, want %d; it says:\n%s", p.Args[1:], got, status, &p.stderr)
	}
	return results
}

// says checks what a program that has ended said.
func (p *process) says(t *testing.T, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(p.stderr.String(), s) {
			t.Errorf("%q doesn't say %q:\n%s", p.Args[1:], s, &p.stderr)
		}
	}
}

// byNumber checks that there is one result for each of n URLs.
func byNumber(t *testing.T, n int, results []result) map[int]result {
	t.Helper()
	m := make(map[int]result)
	for _, r := range results {
		if _, twice := m[r.Line]; twice || r.Line < 1 {
			t.Errorf("there is a second result for line %d, or no such line", r.Line)
		}
		m[r.Line] = r
	}
	if len(m) != n {
		t.Errorf("%d URLs have a result, want %d", len(m), n)
	}
	return m
}

// An engine is a process of its own, that can be killed and started again.
type engine struct {
	*process
	url, dir string
}

func startEngineProcess(t *testing.T) *engine {
	t.Helper()
	e := &engine{dir: t.TempDir()}
	e.start(t, "127.0.0.1:0")
	return e
}

func (e *engine) start(t *testing.T, listen string) {
	t.Helper()
	e.process = start(t, "-role", "serve", "-store", e.dir, "-listen", listen)
	line, err := e.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("the engine did not start: %v\n%s", err, &e.stderr)
	}
	e.url = strings.TrimSpace(line)
}

func (e *engine) startAgain(t *testing.T) {
	t.Helper()
	e.start(t, strings.TrimPrefix(e.url, "nats://"))
}

func (e *engine) job(t *testing.T) *job { return jobAt(t, e.url) }

// jobAt is the job of an engine, for the test to look at.
func jobAt(t *testing.T, url string) *job {
	t.Helper()
	j, err := open(t.Context(), options{nats: url, job: "fleet", role: "collect"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.conn.Close)
	return j
}

// feed feeds a list, and waits until it is there.
func (e *engine) feed(t *testing.T, list string, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{"-role", "feed", "-nats", e.url}, append(args, "-")...)...)
	io.WriteString(p.stdin, list)
	p.stdin.Close()
	p.end(t, 0)
	return p
}

func (e *engine) work(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, append([]string{"-role", "work", "-nats", e.url}, args...)...)
}

func (e *engine) collect(t *testing.T) *process {
	t.Helper()
	return start(t, "-role", "collect", "-nats", e.url)
}

// inQueue waits until so many URLs are in the queue, and so many of them with
// workers.
func inQueue(t *testing.T, j *job, urls, withWorkers int) {
	t.Helper()
	type state struct{ urls, withWorkers int }
	var got state
	until(t, func() bool {
		queue, err := j.queue.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = state{int(queue.NumPending) + queue.NumAckPending, queue.NumAckPending}
		return got == state{urls, withWorkers}
	}, func() string { return fmt.Sprintf("the queue is %+v, want %+v", got, state{urls, withWorkers}) })
}

// watchdog is how long a test waits for what never comes.
const watchdog = 3 * time.Minute

// until waits for a condition.
func until(t *testing.T, holds func() bool, or func() string) {
	t.Helper()
	for deadline := time.Now().Add(watchdog); !holds(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(or())
		}
	}
}

// A site is an upstream that counts what it is asked for, and can hold its
// answers.
type site struct {
	url     string
	asked   chan string // each path as it is asked for
	mu      sync.Mutex  // guards the fields below
	counts  map[string]int
	passing int           // requests before those that are held
	held    chan struct{} // nil: none is held
}

// startSite starts a site that answers as answer does, given how often the path
// was asked for. A nil answer is 200 and the path.
func startSite(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, asked int)) *site {
	t.Helper()
	s := &site{asked: make(chan string, 10_000), counts: make(map[string]int)}
	if answer == nil {
		answer = func(w http.ResponseWriter, r *http.Request, _ int) { io.WriteString(w, r.URL.Path) }
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.counts[r.URL.Path]++
		n, held := s.counts[r.URL.Path], s.held
		if s.passing--; s.passing >= 0 {
			held = nil
		}
		s.mu.Unlock()
		s.asked <- r.URL.Path
		if held != nil {
			select {
			case <-held:
			case <-r.Context().Done():
				return
			}
		}
		answer(w, r, n)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s.url = server.URL
	return s
}

// hold holds all answers from now on, but those to the next requests, until
// release is called.
func (s *site) hold(next int) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.passing, s.held = next, held
	return func() { close(held) }
}

// pass lets what is asked for from now on pass. What is held is held on.
func (s *site) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
}

// asked waits until a site was asked so often.
func asked(t *testing.T, s *site, n int) {
	t.Helper()
	for range n {
		select {
		case <-s.asked:
		case <-time.After(watchdog):
			t.Fatal("the site is not asked any more")
		}
	}
}

func (s *site) list(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s/%d\n", s.url, i+1)
	}
	return b.String()
}

// again is how often paths were asked for beyond once.
func (s *site) again(t *testing.T, n int) (again int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.counts) != n {
		t.Errorf("%d URLs were fetched, want %d", len(s.counts), n)
	}
	for _, c := range s.counts {
		again += c - 1
	}
	return again
}

func TestDemo(t *testing.T) {
	t.Parallel()
	p := start(t, "-n", "1200", "-latency", "50ms", "-batch", "100")
	byNumber(t, 1200, p.end(t, 0))
	p.says(t, "fed            1200 URLs, 0 of which", "1200 of 1200, of which 3 are failures",
		"lost           0", "twice          0 in the results", "fetched twice  0 URLs")
	if n := strings.Count(p.stderr.String(), "worker         process"); n != 3 {
		t.Errorf("%d workers were started, want 3", n)
	}
}

func TestResult_afterRetries(t *testing.T) {
	t.Parallel()
	site := startSite(t, func(w http.ResponseWriter, r *http.Request, asked int) {
		switch {
		case r.URL.Path == "/404":
			http.NotFound(w, r)
		case r.URL.Path == "/busy", r.URL.Path == "/busy-once" && asked == 1:
			w.WriteHeader(503)
		case r.URL.Path == "/limited-once" && asked == 1:
			w.WriteHeader(429)
		case r.URL.Path == "/cut", r.URL.Path == "/cut-once" && asked == 1:
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "a part")
		case r.URL.Path == "/echo":
			io.Copy(w, r.Body)
		default:
			io.WriteString(w, "good")
		}
	})
	gone := httptest.NewServer(nil)
	gone.Close()
	const good = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c" // sha256 of "good"
	ok := func(attempts int) lines.Result {
		return lines.Result{Status: 200, Bytes: 4, Attempts: attempts, Sent: true}
	}
	refused := lines.Result{Attempts: 3, Kind: lines.Refused}
	bad := lines.Result{Kind: lines.BadLine}
	rows := []struct {
		line string
		want lines.Result
		says string
	}{
		{site.url + "/good", ok(1), ""},
		{site.url + "/404", lines.Result{Status: 404, Bytes: 19, Attempts: 1, Sent: true, Kind: lines.Status}, "404 Not Found"},
		{site.url + "/busy-once", ok(2), ""},
		{site.url + "/limited-once", ok(2), ""},
		{site.url + "/cut-once", ok(2), ""},
		{site.url + "/busy", lines.Result{Status: 503, Attempts: 3, Sent: true, Kind: lines.Status}, "503 Service Unavailable"},
		{site.url + "/cut", lines.Result{Bytes: 6, Attempts: 3, Sent: true, Kind: lines.CutOff}, "unexpected EOF"},
		{fmt.Sprintf(`{"url":"%s/cut","method":"POST","body":{}}`, site.url), lines.Result{Bytes: 6, Attempts: 1, Sent: true, Kind: lines.CutOff}, "unexpected EOF"},
		{fmt.Sprintf(`{"url":"%s/echo","body":"good","id":7,"more":{"a":1}}`, site.url), lines.Result{
			Status: 200, Bytes: 4, Attempts: 1, Sent: true, ID: []byte("7"), Input: []byte(`{"more":{"a":1}}`),
		}, ""},
		{gone.URL, refused, "refused"},
		{"ftp://127.0.0.1/", bad, "begin with http"},
		{"no URL", bad, "invalid character"},
		{"http://127.0.0.1:x/", bad, "invalid port"},
		{strings.Replace(gone.URL, "//", "//me:secret@", 1), refused, "refused"},
	}
	p := start(t, "-workers", "1", "-retries", "2", "-")
	for _, row := range rows {
		fmt.Fprintf(p.stdin, "# a comment, and a blank line\n\n\t%s \n", row.line)
	}
	p.stdin.Close()
	results := byNumber(t, len(rows), p.end(t, 0))
	for i, row := range rows {
		got, want := results[3*(i+1)], row.want
		if (row.says == "") != (got.Error == "") || !strings.Contains(got.Error, row.says) {
			t.Errorf("the error of %s is %q, want one that says %q", row.line, got.Error, row.says)
		}
		if (got.SHA256 == good) != (want.Kind == "") {
			t.Errorf("the hash of %s is %q", row.line, got.SHA256)
		}
		if began := want.Attempts > 0; began == got.Started.IsZero() {
			t.Errorf("%s started at %v", row.line, got.Started)
		}
		want.Line, want.URL = 3*(i+1), lines.Parse(0, row.line, maxLine).Shown()
		got.Error, got.DurationMS, got.Started = "", 0, time.Time{}
		if diff := cmp.Diff(want, got.Result); diff != "" {
			t.Errorf("the result of %s (-want +got):\n%s", row.line, diff)
		}
		if strings.Contains(got.URL, "secret") {
			t.Errorf("%s shows a password", got.URL)
		}
	}
}

// A URL that kills every worker that takes it has a result.
func TestResult_ofHopelessURL(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(1))
	j := e.job(t)
	for range hopeless {
		m, err := j.queue.Next()
		if err != nil {
			t.Fatal(err)
		}
		m.Nak()
	}
	e.work(t)
	c := e.collect(t)
	got := byNumber(t, 1, c.end(t, 0))[1]
	if !strings.Contains(got.Error, errHopeless.Error()) || len(site.asked) > 0 {
		t.Errorf("its error is %q after %d requests, want %q after none", got.Error, len(site.asked), errHopeless)
	}
}

// A request that takes longer than AckWait stays with its worker. A URL that
// was taken by nobody shows that AckWait has passed.
func TestQueue_slowURLStaysWithWorker(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(2), "-ack-wait", "5s")
	release := site.hold(0)
	e.work(t, "-limit", "1", "-batch", "1")
	asked(t, site, 1) // for /1
	site.pass()
	j := e.job(t)
	for range 2 {
		if m, err := j.queue.Next(); err != nil || string(m.Data()) != "2 "+site.url+"/2" {
			t.Fatalf("the next in the queue is %v, %v", m, err)
		}
	}
	e.work(t, "-limit", "1", "-batch", "1")
	asked(t, site, 1) // for /2
	release()
	byNumber(t, 2, e.collect(t).end(t, 0))
	if n := site.again(t, 2); n > 0 {
		t.Errorf("%d URLs were fetched again, want none", n)
	}
}

func TestFeed_once(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	list := site.list(2500)
	half := strings.Join(strings.SplitAfter(list, "\n")[:1700], "")
	e.feed(t, half).says(t, "fed            1700 URLs, 0 of which were there already")
	e.feed(t, list).says(t, "fed            2500 URLs, 1700 of which were there already")
	e.feed(t, list).says(t, "fed            2500 URLs, 2500 of which were there already")
	e.work(t)
	byNumber(t, 2500, e.collect(t).end(t, 0))
	inQueue(t, e.job(t), 0, 0)
	e.feed(t, list).says(t, "fed            2500 URLs, 2500 of which were there already")
	byNumber(t, 2500, e.collect(t).end(t, 0)) // again, from the first on
	if n := site.again(t, 2500); n > 0 {
		t.Errorf("%d URLs were fetched again, want none", n)
	}
	for _, other := range []string{half, strings.Replace(list, "/2500", "/another", 1)} {
		p := start(t, "-role", "feed", "-nats", e.url, "-")
		io.WriteString(p.stdin, other)
		p.stdin.Close()
		p.end(t, 1)
		p.says(t, "another list needs a -job name of its own")
	}
}

// jobWithin is a job whose engine runs in the test.
func jobWithin(t testing.TB, o options) *job {
	t.Helper()
	started, stop, stopped := make(chan string), make(chan struct{}), make(chan error)
	folder := t.TempDir()
	go func() {
		stopped <- withEngine(loopback, folder, func(url string) error {
			started <- url
			<-stop
			return nil
		})
	}()
	select {
	case o.nats = <-started:
	case err := <-stopped:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	o.job, o.replicas = "fleet", 1
	j, err := open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.conn.Close)
	return j
}

// A feed that got no answer puts the same URLs again.
func TestFeed_putTwice(t *testing.T) {
	t.Parallel()
	j := jobWithin(t, options{ackWait: time.Minute})
	urls := []string{"1", "2", "3", "4", "5"}
	for _, put := range []struct{ from, to int }{{0, 3}, {0, 3}, {1, 2}, {1, 5}, {0, 5}} {
		if err := j.put(t.Context(), uint64(put.from)+1, urls[put.from:put.to]); err != nil {
			t.Fatal(err)
		}
	}
	wantQueued(t, j, urls)
}

// wantQueued checks the lines on the queue of j. It takes them.
func wantQueued(t *testing.T, j *job, want []string) {
	t.Helper()
	batch, err := j.queue.FetchNoWait(100 + 2*len(want))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range batch.Messages() {
		got = append(got, string(m.Data()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the queue (-want +got):\n%s", diff)
	}
}

// Two feeds of one list send the same messages at the same time.
func TestFeed_putAtOnce(t *testing.T) {
	t.Parallel()
	j := jobWithin(t, options{ackWait: time.Minute})
	var urls []string
	for i := range 1000 {
		urls = append(urls, fmt.Sprint(i+1))
	}
	var feeds sync.WaitGroup
	for range 2 {
		other := jobAt(t, j.conn.ConnectedUrl())
		feeds.Go(func() {
			if err := other.put(t.Context(), 1, urls); err != nil {
				t.Error(err)
			}
		})
	}
	feeds.Wait()
	wantQueued(t, j, urls)
}

// If the engine refuses a message, put does not return before it is stored.
func TestFeed_putRefused(t *testing.T) {
	t.Parallel()
	j := jobWithin(t, options{ackWait: time.Minute})
	full := j.urls.CachedInfo().Config
	full.MaxMsgs, full.Discard = 3, jetstream.DiscardNew
	if _, err := j.js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := j.put(ctx, 1, []string{"1", "2", "3", "4", "5"}); err == nil {
		t.Error("put returns nil, and the engine has refused two of five messages")
	}
}

// While a longer list is fed, a collector must not use the old total.
func TestFeed_noTotalMeanwhile(t *testing.T) {
	t.Parallel()
	o := options{ackWait: time.Minute}
	j := jobWithin(t, o)
	if err := j.feed(t.Context(), strings.NewReader("1\n2")); err != nil {
		t.Fatal(err)
	}
	if m, err := j.results.GetLastMsgForSubject(t.Context(), "fleet.total"); err != nil || string(m.Data) != "2" {
		t.Errorf("the total is %v, %v; want 2", m, err)
	}
	again, err := open(t.Context(), options{nats: j.conn.ConnectedUrl(), job: "fleet", replicas: 1, ackWait: o.ackWait})
	if err != nil {
		t.Fatal(err)
	}
	defer again.conn.Close()
	if m, err := j.results.GetLastMsgForSubject(t.Context(), "fleet.total"); err != nil || len(m.Data) > 0 {
		t.Errorf("the total is %v, %v; want an empty one", m, err)
	}
}

// The engine forgets message ids after a while. A second result is refused even
// then.
func TestResult_lateSecondRefused(t *testing.T) {
	t.Parallel()
	const window = 100 * time.Millisecond // the least that the engine accepts
	j := jobWithin(t, options{ackWait: window})
	if err := j.store(t.Context(), 1, result{Worker: "first"}); err != nil {
		t.Fatal(err)
	}
	// Once the engine takes an id again, it has forgotten those before.
	until(t, func() bool {
		ack, err := j.js.Publish(t.Context(), "fleet.total", nil, jetstream.WithMsgID("probe"))
		if err != nil {
			t.Fatal(err)
		}
		return !ack.Duplicate && ack.Sequence > 3 // after the empty total, the result and the first probe
	}, func() string { return "the engine never forgets an id" })
	if err := j.store(t.Context(), 1, result{Worker: "second"}); err != nil {
		t.Errorf("storing a second result: %v, want none: the URL has one", err)
	}
	m, err := j.results.GetLastMsgForSubject(t.Context(), "fleet.result.1")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.Data), `"first"`) || m.Sequence != 2 {
		t.Errorf("the result is number %d, %s; want the first", m.Sequence, m.Data)
	}
	if got := m.Header.Get(jetstream.MsgIDHeader); got != "fleet.result.1" {
		t.Errorf("its message id is %q", got)
	}
}

// If its result cannot be stored, a URL stays in the queue and is fetched
// again.
func TestQueue_acknowledgedAfterResult(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(1), "-ack-wait", "1s")
	release := site.hold(0)
	e.work(t)
	asked(t, site, 1)
	if err := e.job(t).js.DeleteStream(t.Context(), "fleet-results"); err != nil {
		t.Fatal(err)
	}
	release()
	asked(t, site, 1)
	e.feed(t, site.list(1), "-ack-wait", "1s") // makes the stream again
	byNumber(t, 1, e.collect(t).end(t, 0))
}

// The collector would report a second result.
func TestCollect_seesSecondResult(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	release := site.hold(1)
	e := startEngineProcess(t)
	e.feed(t, site.list(2))
	e.work(t, "-limit", "1")
	c := e.collect(t)
	first := c.result(t)
	j := e.job(t)
	if _, err := j.js.Publish(t.Context(), "fleet.result.1", []byte(`{"line":1}`)); err != nil {
		t.Fatal(err)
	}
	release()
	byNumber(t, 2, append(c.end(t, 1), first))
	c.says(t, "twice          1", "more than one result")
}

// A job whose queue is empty may have results that were not read.
func TestCollect_unreadResults(t *testing.T) {
	t.Parallel()
	j := jobWithin(t, options{ackWait: time.Minute})
	for n := range uint64(2) {
		if err := j.store(t.Context(), n+1, result{}); err != nil {
			t.Fatal(err)
		}
	}
	for read, want := range []bool{false, false, true} {
		if got := j.isIdle(t.Context(), uint64(read)); got != want {
			t.Errorf("isIdle = %t after %d of 2 results, want %t", got, read, want)
		}
	}
}

// A URL that left the queue without a result is reported as lost.
func TestCollect_seesLostURL(t *testing.T) {
	t.Parallel()
	site := startSite(t, nil)
	e := startEngineProcess(t)
	e.feed(t, site.list(3))
	m, err := e.job(t).queue.Next()
	if err != nil {
		t.Fatal(err)
	}
	m.Ack()
	e.work(t)
	c := e.collect(t)
	if got := c.end(t, 1); len(got) != 2 {
		t.Errorf("there are %d results, want 2", len(got))
	}
	c.says(t, "lost           1", "some URLs have no result")
}

func TestWorker_hostLimit(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	site := startSite(t, func(http.ResponseWriter, *http.Request, int) {
		for n := now.Add(1); ; {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		runtime.Gosched()
		now.Add(-1)
	})
	p := start(t, "-workers", "2", "-host-limit", "2", "-")
	io.WriteString(p.stdin, site.list(500))
	p.stdin.Close()
	byNumber(t, 500, p.end(t, 0))
	if n := most.Load(); n > 2*2 {
		t.Errorf("%d requests were in flight at once, want 2 for each of 2 workers", n)
	}
}

func TestFlags_bad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args, want string
		status     int
	}{
		{"-role cook", "there is feed, work", 2},
		{"-role work", "needs the -nats URL", 2},
		{"-role work -nats nats://127.0.0.1:1 list", "one FILE at most", 2},
		{"-role feed -nats nats://127.0.0.1:1", "needs a FILE", 2},
		{"-role feed -nats nats://127.0.0.1:1 no-such-file", "no such file", 1},
		{"-role feed -nats nats://127.0.0.1:1 -", "no servers available", 1},
		{"-role serve -nats nats://127.0.0.1:1", "for one of our own", 2},
		{"-role serve -listen nowhere", "-listen: ", 2},
		{"-store dir", "-listen 127.0.0.1:PORT", 2},
		{"-job a.b", "letters, digits", 2},
		{"-workers 0", "at least 1", 2},
		{"-retries -1", "not negative", 2},
		{"-ack-wait 0", "-ack-wait is at least 1s", 2},
		{"a b", "one FILE at most", 2},
		{"http://me:secret@127.0.0.1/", "FILE is a URL", 2},
		{"-workers 1 " + os.DevNull, "no URL in the list", 1},
		{"-x", "-h lists the flags", 2},
		{"-role work -nats nats://me:secret@host:x", "invalid -nats URL", 1},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			p := start(t, strings.Fields(tt.args)...)
			p.end(t, tt.status)
			p.says(t, tt.want)
			if strings.Contains(p.stderr.String(), "secret") {
				t.Errorf("a password is shown:\n%s", &p.stderr)
			}
		})
	}
}
