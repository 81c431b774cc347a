package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Promise 16, clause by clause, in exact times.

const ms = time.Millisecond

// slow is a handler that sends its header after "head" milliseconds, and the
// end of its body after "body" more. If there is a "to", it redirects there.
func slow(w http.ResponseWriter, r *http.Request) {
	wait := func(key string) bool {
		n, _ := strconv.Atoi(r.FormValue(key))
		select {
		case <-time.After(time.Duration(n) * ms):
			return true
		case <-r.Context().Done():
			return false
		}
	}
	if !wait("head") {
		return
	}
	if to := r.FormValue("to"); to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	io.WriteString(w, "a beginning")
	http.NewResponseController(w).Flush()
	if wait("body") {
		io.WriteString(w, " and an end")
	}
}

func TestTimeout(t *testing.T) {
	const never = "head=999999999"
	wait := func(d time.Duration) func(*http.Request) error {
		return func(*http.Request) error { <-time.After(d); return nil }
	}
	own := func(d time.Duration) []parallel.Option { return []parallel.Option{parallel.Timeout(d)} }
	cases := map[string]struct {
		client client.Client
		queue  string // query of the request that holds the only slot first, if any
		query  string // query for slow
		opts   []parallel.Option
		takes  time.Duration
		ok     bool
	}{
		"in time":              {client.Client{Timeout: 300 * ms}, "", "head=299", nil, 299 * ms, true},
		"too late":             {client.Client{Timeout: 300 * ms}, "", "head=301", nil, 300 * ms, false},
		"the body in time":     {client.Client{Timeout: 300 * ms}, "", "head=100&body=199", nil, 299 * ms, true},
		"the body too late":    {client.Client{Timeout: 300 * ms}, "", "head=100&body=201", nil, 300 * ms, false},
		"over all hops":        {client.Client{Timeout: 300 * ms}, "", "head=200&to=/%3Fhead=200", nil, 300 * ms, false},
		"not in the queue":     {client.Client{Timeout: 300 * ms, Limit: 1}, "head=5000", "head=299", nil, 5299 * ms, true},
		"after the queue":      {client.Client{Timeout: 300 * ms, Limit: 1}, "head=5000", "head=301", nil, 5300 * ms, false},
		"not in a host's":      {client.Client{Timeout: 300 * ms, HostLimit: 1}, "head=5000", "head=301", nil, 5300 * ms, false},
		"not in Wait":          {client.Client{Timeout: 300 * ms, Wait: wait(time.Hour)}, "", "head=299", nil, time.Hour + 299*ms, true},
		"after Wait":           {client.Client{Timeout: 300 * ms, Wait: wait(time.Hour)}, "", "head=301", nil, time.Hour + 300*ms, false},
		"not before After":     {client.Client{Timeout: 300 * ms}, "", "head=299", []parallel.Option{parallel.After(time.Hour)}, time.Hour + 299*ms, true},
		"after After":          {client.Client{Timeout: 300 * ms}, "", "head=301", []parallel.Option{parallel.After(time.Hour)}, time.Hour + 300*ms, false},
		"in Auth":              {client.Client{Timeout: 300 * ms, Auth: wait(200 * ms)}, "", "head=200", nil, 300 * ms, false},
		"its own, longer":      {client.Client{Timeout: 300 * ms}, "", "head=400", own(500 * ms), 400 * ms, true},
		"its own, shorter":     {client.Client{Timeout: 300 * ms}, "", "head=250", own(200 * ms), 200 * ms, false},
		"its own, of none":     {client.Client{Timeout: -1}, "", "head=250", own(200 * ms), 200 * ms, false},
		"its own, negative":    {client.Client{Timeout: 300 * ms}, "", "head=9999999", own(-1), 9999999 * ms, true},
		"its own, 0":           {client.Client{Timeout: 300 * ms}, "", never, own(0), 300 * ms, false},
		"none":                 {client.Client{Timeout: -1}, "", "head=9999999", nil, 9999999 * ms, true},
		"the default, in time": {client.Client{}, "", "head=29999", nil, 29999 * ms, true},
		"the default":          {client.Client{}, "", never, nil, 30 * time.Second, false},

		"HTTP.Timeout":               {client.Client{HTTP: &http.Client{Timeout: 300 * ms}}, "", never, nil, 300 * ms, false},
		"HTTP.Timeout, in the body":  {client.Client{HTTP: &http.Client{Timeout: 300 * ms}}, "", "body=301", nil, 300 * ms, false},
		"HTTP.Timeout is earlier":    {client.Client{HTTP: &http.Client{Timeout: 200 * ms}, Timeout: 300 * ms}, "", never, nil, 200 * ms, false},
		"HTTP.Timeout is later":      {client.Client{HTTP: &http.Client{Timeout: 300 * ms}, Timeout: 200 * ms}, "", never, nil, 200 * ms, false},
		"HTTP.Timeout, later than 0": {client.Client{HTTP: &http.Client{Timeout: time.Minute}}, "", never, nil, 30 * time.Second, false},
		"HTTP.Timeout, by itself":    {client.Client{HTTP: &http.Client{Timeout: time.Minute}, Timeout: -1}, "", never, nil, time.Minute, false},
		"HTTP.Timeout, and its own":  {client.Client{HTTP: &http.Client{Timeout: 300 * ms}}, "", never, own(time.Minute), 300 * ms, false},
		"HTTP.Timeout, not in Wait": {
			client.Client{HTTP: &http.Client{Timeout: 300 * ms}, Wait: wait(time.Hour)}, "", never, nil, time.Hour + 300*ms, false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, http.HandlerFunc(slow))
				c := tc.client
				hc := s.Client()
				if c.HTTP != nil {
					hc.Timeout = c.HTTP.Timeout
				}
				c.HTTP = hc
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					start := time.Now()
					if tc.queue != "" {
						p.Get("http://h/?"+tc.queue, parallel.Timeout(-1))
					}
					resp, err := p.Get("http://h/?"+tc.query, tc.opts...).Response()
					if d := time.Since(start); d != tc.takes {
						t.Errorf("it took %v, want %v", d, tc.takes)
					}
					var ue *url.Error
					switch {
					case !tc.ok && (!errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ue) || !ue.Timeout()):
						t.Errorf("Response() = %v, want a timeout", err)
					case !tc.ok && errors.Is(err, pending.ErrNotSent):
						t.Errorf("the request was sent, but its error matches ErrNotSent: %v", err)
					case tc.ok && err != nil:
						t.Errorf("Response() = %v, want a response", err)
					case tc.ok && body(t, resp) != "a beginning and an end":
						t.Error("the body is not the whole body")
					}
					return nil
				})
			})
		})
	}
}

// If the time of a request ends during Auth, the request was not sent. This
// holds for both timeouts.
func TestTimeout_inAuthIsNotSent(t *testing.T) {
	for name, c := range map[string]client.Client{
		"Timeout":      {HTTP: &http.Client{}, Timeout: 300 * time.Millisecond},
		"HTTP.Timeout": {HTTP: &http.Client{Timeout: 300 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.HTTP.Transport = testnet.New(t, http.NotFoundHandler()).Transport
				c.Auth = func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
				start := time.Now()
				_, err := ask(t, c, func(p *parallel.Parallel) *pending.Pending {
					return p.Post("http://h/", parallel.Body("text/plain", strings.NewReader("body")))
				})
				if d := time.Since(start); d != 300*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, pending.ErrNotSent) {
					t.Errorf("Response() = %v after %v, want context.DeadlineExceeded and pending.ErrNotSent after 300ms", err, d)
				}
			})
		})
	}
}

// When the time is over, the upload is closed, and a transport may fail because
// of that before http.Client sees the timeout. The error must be that of the
// timeout.
func TestTimeout_uploadErrorIsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body, _ := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://h/", body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Timed(roundTrip(func(r *http.Request) (*http.Response, error) {
			_, err := r.Body.Read(make([]byte, 1))
			return nil, err
		})).RoundTrip(req)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RoundTrip() = %v, want context.DeadlineExceeded", err)
		}
	})
}
