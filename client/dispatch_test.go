package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A first hop that is not redirected is sent without http.Client. Its result
// must be the same as with http.Client. Each case is also sent by http.Client
// alone, and the requests that the server gets and the results are compared.
func TestDispatcher_sameAsHTTPClient(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, fmt.Sprintf("%s %s%s referer=%q authorization=%q cookie=%q own=%q", r.Method, r.Host, r.URL,
			r.Header.Get("Referer"), r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X-Own")))
		mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "last", Value: strings.Trim(r.URL.Path, "/")})
		if to := r.URL.Query().Get("to"); to == "itself" {
			w.Header().Set("Location", r.URL.String())
		} else if to != "" {
			w.Header().Set("Location", to)
		}
		status, err := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
		if err != nil {
			status = http.StatusOK
		}
		w.WriteHeader(status)
	}))
	came := func(resp *http.Response, err error) []string {
		mu.Lock()
		defer mu.Unlock()
		defer func() { asked = nil }()
		if err != nil {
			var e *url.Error // http.Client names the hop in it, and a block the first URL
			for errors.As(err, &e) {
				err = e.Err
			}
			text := strings.TrimPrefix(err.Error(), pending.ErrNotSent.Error()+": ")
			return append(asked, regexp.MustCompile(`\(\*.+?\)`).ReplaceAllString(text, "(the transport)"))
		}
		return append(asked, fmt.Sprintf("%d of %s", resp.StatusCode, resp.Request.URL))
	}
	meddle := func(hc *http.Client) {
		next := hc.Transport
		hc.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Response == nil { // on the first hop only
				r.Header.Set("X-Own", "changed")
			}
			return next.RoundTrip(r)
		})
	}
	proxy := func(hc *http.Client) {
		tr := s.Transport.Clone()
		t.Cleanup(tr.CloseIdleConnections)
		tr.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.Response == nil {
				r.Header.Set("X-Own", "changed")
			}
			return nil, nil
		}
		hc.Transport = tr
	}
	protocol := func(hc *http.Client) {
		tr := &http.Transport{DialContext: s.Dial}
		t.Cleanup(tr.CloseIdleConnections)
		tr.RegisterProtocol("own", roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/b" {
				return &http.Response{StatusCode: 200, ContentLength: 5, Request: r}, nil
			}
			r.Header.Set("X-Own", "changed")
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://other/x"}}, Body: http.NoBody, Request: r}, nil
		}))
		hc.Transport = tr
	}
	jar := func(hc *http.Client) {
		hc.Jar, _ = cookiejar.New(nil)
		hc.Jar.SetCookies(&url.URL{Scheme: "http", Host: "h"}, []*http.Cookie{{Name: "kept", Value: "1"}})
	}
	check := func(err error) func(*http.Client) {
		return func(hc *http.Client) {
			hc.CheckRedirect = func(*http.Request, []*http.Request) error { return err }
		}
	}
	for name, tc := range map[string]struct {
		method string // "": GET
		url    string
		body   bool
		change func(*http.Client)
	}{
		"200":                                  {url: "http://h/"},
		"404":                                  {url: "http://h/404"},
		"300 without a Location":               {url: "http://h/300"},
		"301":                                  {url: "http://h/301?to=/x"},
		"302":                                  {url: "http://h/302?to=http://other/x"},
		"302 without a Location":               {url: "http://h/302"},
		"302 to nowhere":                       {url: "http://h/302?to=http://[::x"},
		"302 to itself":                        {url: "http://h/302?to=itself"},
		"303 of a POST":                        {url: "http://h/303?to=/x", method: http.MethodPost, body: true},
		"304":                                  {url: "http://h/304?to=/x"},
		"307 twice":                            {url: "http://h/307?to=/308?to=%2Fx"},
		"308 of a PUT":                         {url: "http://h/308?to=/x", method: http.MethodPut, body: true},
		"HEAD":                                 {url: "http://h/302?to=/x", method: http.MethodHead},
		"a DELETE without a body":              {url: "http://h/302?to=/x", method: http.MethodDelete},
		"a user in the URL":                    {url: "http://u:p@h/302?to=/x"},
		"a user in the Location":               {url: "http://h/302?to=http://u:p@h/x"},
		"cookies":                              {url: "http://h/302?to=/x", change: jar},
		"no redirect is wanted":                {url: "http://h/302?to=/x", change: check(http.ErrUseLastResponse)},
		"a redirect is refused":                {url: "http://h/302?to=/x", change: check(errors.New("refused"))},
		"a transport that changes its request": {url: "http://h/302?to=/x", change: meddle},
		"a Proxy that changes its request":     {url: "http://h/302?to=/x", change: proxy},
		"a protocol that changes its request":  {url: "own://h/a", change: protocol},
		"a protocol without a body":            {url: "own://h/b", change: protocol},
		"https of an http server":              {url: "https://h/"},
		"302 to what isn't https":              {url: "http://h/302?to=https://h/"},
		"302 to an unknown scheme":             {url: "http://h/302?to=gopher://h/"},
	} {
		t.Run(name, func(t *testing.T) {
			request := func() *http.Request {
				r, err := http.NewRequest(tc.method, tc.url, nil)
				if tc.body {
					r, err = http.NewRequest(tc.method, tc.url, strings.NewReader("body"))
				}
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Own", "kept")
				return r
			}
			dispatch := func() *http.Client {
				hc := s.Client()
				if tc.change != nil {
					tc.change(hc)
				}
				return hc
			}
			resp, err := dispatch().Do(request())
			if err == nil {
				resp.Body.Close()
			}
			want := came(resp, err)
			got := came(ask(t, client.Client{HTTP: dispatch()}, func(p *parallel.Parallel) *pending.Pending { return p.Do(request()) }))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests at the server, and the result (-http.Client +block):\n%s", diff)
			}
		})
	}
}

// A request that does not need http.Client does not pay for it. (A Jar makes it
// need http.Client.)
func TestDispatcher_plainHopAllocatesLess(t *testing.T) {
	allocs := func(jar http.CookieJar) float64 {
		c := client.Client{HTTP: &http.Client{Transport: canned{}, Jar: jar}}
		return testing.AllocsPerRun(100, func() {
			if _, err := get(t, c, "http://h/"); err != nil {
				t.Fatal(err)
			}
		})
	}
	if plain, seen := allocs(nil), allocs(noCookies{}); plain > seen-3 {
		t.Errorf("a plain request makes %v allocations, and one through http.Client %v; want 3 fewer at least", plain, seen)
	}
}

type noCookies struct{}

func (noCookies) SetCookies(*url.URL, []*http.Cookie) {}
func (noCookies) Cookies(*url.URL) []*http.Cookie     { return nil }
