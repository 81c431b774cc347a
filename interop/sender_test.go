//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A job is a request that is to be sent, and an outcome what came of it.
type job struct {
	id           int
	method, url  string
	contentType  string
	body         string
	expect100    bool
	noAnswerBody bool
}

type outcome struct {
	job
	status int
	proto  int // the major version of HTTP
	body   string
	err    error
}

// right returns an error unless the job was answered as the backend does.
func (o outcome) right() error {
	if o.err != nil {
		return o.err
	}
	if o.status != http.StatusOK {
		return fmt.Errorf("%s %s: status %d: %.100q", o.method, o.url, o.status, o.body)
	}
	if want := answerTo(o.method, o.id, o.job.body); !o.noAnswerBody && o.body != want {
		return fmt.Errorf("%s %s: body %.100q; want %.100q", o.method, o.url, o.body, want)
	}
	return nil
}

// jobs returns n jobs for the server, in turns a GET and a POST.
func (r *running) jobs(proto protocol, n int) []job {
	js := make([]job, n)
	for i := range js {
		js[i] = job{id: i, method: "GET", url: r.url(proto, fmt.Sprintf("/?id=%d", i)), noAnswerBody: r.silent}
		if i%2 == 1 {
			js[i].method, js[i].body, js[i].contentType = "POST", fmt.Sprintf("body of %d", i), "text/plain"
		}
	}
	return js
}

// A transport counts its dials.
type transport struct {
	*http.Transport
	dials atomic.Int64
}

// transport returns the library's transport, or, by hand, a transport of
// net/http with the same settings. A proxy is used as one.
func (r *running) transport(t *testing.T, proto protocol, hand bool) *transport {
	tr := &transport{Transport: client.NewTransport()}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		tr.dials.Add(1)
		return r.dialer().DialContext(ctx, network, addr)
	}
	if hand {
		n := tr.Transport
		tr.Transport = http.DefaultTransport.(*http.Transport).Clone()
		tr.MaxIdleConns, tr.MaxIdleConnsPerHost = n.MaxIdleConns, n.MaxIdleConnsPerHost
		tr.DialContext = dial
	} else {
		tr.DialContext = client.DialContext(dial)
	}
	tr.TLSClientConfig = &tls.Config{RootCAs: certificates(t).pool}
	tr.Proxy = r.through(nil)
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(true)
	tr.Protocols.SetHTTP2(proto == https2)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// dialer returns a dialer with net/http's timeout, which asks the server for
// names if that is a resolver.
func (r *running) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: 30 * time.Second}
	if r.resolver {
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", fmt.Sprintf("127.0.0.1:%d", r.Port))
		}}
	}
	return d
}

// A manner says how jobs are sent.
type manner struct {
	limit     int           // in flight; 0: 100
	timeout   time.Duration // of one attempt; 0: 30 s
	retries   int
	perSecond int    // 0: no limit
	event     func() // is called once, beside the requests, when a third of them are done
}

func (m manner) withDefaults() manner {
	if m.limit == 0 {
		m.limit = 100
	}
	if m.timeout == 0 {
		m.timeout = 30 * time.Second
	}
	return m
}

// pace returns the function that waits for the next request.
func (m manner) pace() func(context.Context) error {
	if m.perSecond == 0 {
		return func(context.Context) error { return nil }
	}
	return rate.NewLimiter(rate.Limit(m.perSecond), 1).Wait
}

// after returns a function that counts outcomes and starts the event, and one
// that waits for the event to end.
func (m manner) after(jobs int) (done, join func()) {
	var wg sync.WaitGroup
	var n atomic.Int64
	at := int64(jobs / 3)
	return func() {
		if n.Add(1) == at && m.event != nil {
			wg.Go(m.event)
		}
	}, wg.Wait
}

// A sender sends jobs and returns their outcomes in the same order.
type sender func(tr *transport, m manner, jobs []job) []outcome

func senderOf(hand bool) sender {
	if hand {
		return byHand
	}
	return byLibrary
}

// byLibrary sends the jobs in a block.
func byLibrary(tr *transport, m manner, jobs []job) []outcome {
	m = m.withDefaults()
	pace := m.pace()
	done, join := m.after(len(jobs))
	c := client.Client{
		HTTP:    &http.Client{Transport: tr.Transport},
		Limit:   m.limit,
		Timeout: m.timeout,
		Wait:    func(r *http.Request) error { return pace(r.Context()) },
	}
	if m.retries > 0 {
		c.Retry = parallel.Retries(m.retries)
	}
	outs := make([]outcome, len(jobs))
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		for i, h := range parallel.Each(p, indexes(jobs), func(i int) *pending.Pending { return jobs[i].make(p) }) {
			resp, err := h.Response()
			outs[i] = outcomeOf(jobs[i], resp, err)
			done()
		}
		return nil
	})
	if err != nil {
		panic(err) // fn returns none
	}
	join()
	return outs
}

func indexes(jobs []job) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range jobs {
			if !yield(i) {
				return
			}
		}
	}
}

// make makes the request of the job in a block.
func (j job) make(p *parallel.Parallel) *pending.Pending {
	var opts []parallel.Option
	if j.body != "" {
		opts = append(opts, parallel.Body(j.contentType, strings.NewReader(j.body)))
	}
	if j.expect100 {
		opts = append(opts, parallel.Header("Expect", "100-continue"))
	}
	if j.method == "POST" {
		return p.Post(j.url, opts...)
	}
	return p.Get(j.url, opts...)
}

// byHand sends the jobs with net/http, as a careful person writes it.
func byHand(tr *transport, m manner, jobs []job) []outcome {
	m = m.withDefaults()
	pace := m.pace()
	done, join := m.after(len(jobs))
	c := &http.Client{Transport: tr.Transport}
	outs := make([]outcome, len(jobs))
	slots := make(chan struct{}, m.limit)
	var wg sync.WaitGroup
	for i, j := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { done(); <-slots }()
			pace(context.Background())
			ctx, cancel := context.WithTimeout(context.Background(), m.timeout)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, j.method, j.url, strings.NewReader(j.body))
			if err != nil {
				outs[i] = outcome{job: j, err: err}
				return
			}
			if j.body != "" {
				req.Header.Set("Content-Type", j.contentType)
			}
			if j.expect100 {
				req.Header.Set("Expect", "100-continue")
			}
			resp, err := c.Do(req)
			outs[i] = outcomeOf(j, resp, err)
		})
	}
	wg.Wait()
	join()
	return outs
}

// outcomeOf reads the response.
func outcomeOf(j job, resp *http.Response, err error) outcome {
	if err != nil {
		return outcome{job: j, err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return outcome{job: j, status: resp.StatusCode, proto: resp.ProtoMajor, body: string(b), err: err}
}

// failed returns the errors of the jobs that were not answered rightly.
func failed(outs []outcome) []error {
	var errs []error
	for _, o := range outs {
		if err := o.right(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// kinds counts errors by what they say, for a failure message.
func kinds(errs []error) string {
	count := map[string]int{}
	for _, err := range errs {
		text := err.Error()
		if i := strings.LastIndex(text, `": `); i >= 0 {
			text = text[i+3:]
		}
		if errors.Is(err, pending.ErrNotSent) {
			text += " (not sent)"
		}
		count[number.ReplaceAllString(text, "N")]++
	}
	var all []string
	for k, n := range count {
		all = append(all, fmt.Sprintf("%d× %s", n, k))
	}
	slices.Sort(all)
	return strings.Join(all[:min(len(all), 8)], "; ")
}
