package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A nil context or function panics at once, with a full sentence.
func TestParallel_panicsOnNil(t *testing.T) {
	called := false
	fn := func(*parallel.Parallel) error { called = true; return nil }
	var none context.Context
	for name, open := range map[string]func(){
		"Parallel without a context":         func() { client.Parallel(none, fn) },
		"Parallel without a function":        func() { client.Parallel(t.Context(), nil) },
		"Client.Parallel without a context":  func() { new(client.Client).Parallel(none, fn) },
		"Client.Parallel without a function": func() { new(client.Client).Parallel(t.Context(), nil) },
		"Run without a context":              func() { parallel.Run(none, parallel.Config{}, fn) },
		"Run without a function":             func() { parallel.Run(t.Context(), parallel.Config{}, nil) },
	} {
		func() {
			defer func() {
				sentence, ok := recover().(string)
				if what := name[strings.LastIndex(name, " ")+1:]; !ok || !strings.HasPrefix(sentence, "abreast: ") || !strings.Contains(sentence, what+", ") {
					t.Errorf("%s panics with %q, want a sentence that begins with abreast and names the %s", name, sentence, what)
				}
			}()
			open()
		}()
	}
	if called {
		t.Error("the function was called")
	}
}

// Limit and HostLimit have defaults and can be turned off.
func TestLimit_defaults(t *testing.T) {
	const requests = 250 // to each of two hosts
	for name, tc := range map[string]struct {
		client client.Client
		want   int // in flight
	}{
		"the default":           {client.Client{}, 100},
		"a Limit":               {client.Client{Limit: 7}, 7},
		"no Limit":              {client.Client{Limit: -1}, 2 * requests},
		"a HostLimit":           {client.Client{HostLimit: 7}, 14},
		"a negative HostLimit":  {client.Client{HostLimit: -1}, 100},
		"a HostLimit, no Limit": {client.Client{HostLimit: 120, Limit: -1}, 240},
		"both":                  {client.Client{HostLimit: 7, Limit: 10}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inFlight := make(chan struct{}, 2*requests)
				c := tc.client
				c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					inFlight <- struct{}{}
					<-r.Context().Done()
					return nil, r.Context().Err()
				})}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for i := range requests {
						p.Get(fmt.Sprint("http://one/", i))
						p.Get(fmt.Sprint("http://two/", i))
					}
					synctest.Wait()
					if n := len(inFlight); n != tc.want {
						t.Errorf("%d requests are in flight, want %d", n, tc.want)
					}
					return nil
				})
			})
		})
	}
}

// MaxBody has a default and can be turned off.
func TestMaxBody_defaults(t *testing.T) {
	for name, tc := range map[string]struct {
		max    int64
		length int
		limit  int64 // the limit that is exceeded; 0: none
	}{
		"the default, kept":     {0, 10 << 20, 0},
		"the default, exceeded": {0, 10<<20 + 1, 10 << 20},
		"a small one":           {10, 11, 10},
		"none":                  {-1, 10<<20 + 1, 0},
	} {
		c := client.Client{MaxBody: tc.max, HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(make([]byte, tc.length)))}, nil
		})}}
		resp, err := get(t, c, "http://h/")
		var tooLarge *pending.BodyTooLargeError
		switch {
		case tc.limit == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.limit == 0 && len(body(t, resp)) != tc.length:
			t.Errorf("%s: the length of the body is not %d", name, tc.length)
		case tc.limit != 0 && (!errors.As(err, &tooLarge) || tooLarge.Limit != tc.limit):
			t.Errorf("%s: %v, want a *BodyTooLargeError with the Limit %d", name, err, tc.limit)
		}
	}
}

// Two blocks of one client have a Limit each, and a copy is a separate client.
func TestLimit_isPerBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inFlight := make(chan string, 10)
		one := client.Client{Limit: 1, BaseURL: "http://one", HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			inFlight <- r.URL.String()
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}}
		two := one
		two.BaseURL = "http://two"
		one.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("a")
			p.Get("b")
			synctest.Wait()
			return one.Parallel(t.Context(), func(p *parallel.Parallel) error {
				p.Get("c")
				p.Get("d")
				synctest.Wait()
				return two.Parallel(t.Context(), func(p *parallel.Parallel) error {
					p.Get("e")
					p.Get("f")
					synctest.Wait()
					return nil
				})
			})
		})
		close(inFlight)
		var got []string
		for u := range inFlight {
			got = append(got, u)
		}
		if diff := cmp.Diff([]string{"http://one/a", "http://one/c", "http://two/e"}, got); diff != "" {
			t.Errorf("requests sent (-want +got):\n%s", diff)
		}
	})
}

// Wait is called before each send, while the request holds its slot.
func TestWait_calledBeforeEachSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
		tick := make(chan struct{}, 1)
		tick <- struct{}{}
		c := client.Client{HTTP: s.Client(), Wait: func(r *http.Request) error { // lets one request go each second
			select {
			case <-tick:
				time.AfterFunc(time.Second, func() { tick <- struct{}{} })
				return nil
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			start := time.Now()
			for range 4 {
				p.Get("http://h/")
			}
			synctest.Wait()
			if got, want := p.Stats(), (parallel.Stats{InFlight: 3, Done: 1}); got != want {
				t.Errorf("Stats() = %+v, want %+v: a request in Wait holds a slot", got, want)
			}
			for h := range p.Arrivals() {
				if _, err := h.Response(); err != nil {
					t.Error(err)
				}
			}
			if d := time.Since(start); d != 3*time.Second {
				t.Errorf("4 requests, one a second, took %v, want 3s", d)
			}
			return nil
		})
		<-time.After(time.Second) // the last tick
	})
}
