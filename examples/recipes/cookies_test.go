package recipes_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Logging in comes first; what follows is sent with its cookie.
func ExampleNewSession() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "7"})
			return
		}
		cookie, err := r.Cookie("session")
		fmt.Fprint(w, r.URL, ": ", cookie, err)
	}))
	defer srv.Close()

	c, err := recipes.NewSession(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		if _, err := p.Post("/login").Bytes(); err != nil {
			return err
		}
		for _, h := range []*pending.Pending{p.Get("/orders"), p.Get("/cart")} {
			text, err := h.Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%s\n", text)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /orders: session=7 <nil>
	// /cart: session=7 <nil>
}

// A cookie is sent to the host that set it, on any port, and to its Domain
// unless that is a public suffix. A jar by itself knows no public suffixes.
func TestSession_cookieDomains(t *testing.T) {
	own, err := recipes.NewSession("")
	if err != nil {
		t.Fatal(err)
	}
	ignorant, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		client *client.Client
		bank   string // what bank.co.uk is sent
	}{
		"NewSession":             {own, ""},
		"a jar without the list": {&client.Client{HTTP: &http.Client{Jar: ignorant}}, "suffix=1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				came := make(map[string]string)
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/set" {
						w.Header().Add("Set-Cookie", "own=1")
						w.Header().Add("Set-Cookie", "shop=1; Domain=shop.co.uk")
						w.Header().Add("Set-Cookie", "suffix=1; Domain=co.uk; Path=/account")
						return
					}
					mu.Lock()
					defer mu.Unlock()
					came[r.Host+r.URL.Path] = r.Header.Get("Cookie")
				}))
				tc.client.HTTP.Transport = s.Transport
				err := tc.client.Parallel(t.Context(), func(p *parallel.Parallel) error {
					if _, err := p.Get("http://www.shop.co.uk/set").Response(); err != nil {
						return err
					}
					_, err := pending.All(p.Get("http://www.shop.co.uk/"), p.Get("http://www.shop.co.uk:8080/"),
						p.Get("http://api.shop.co.uk/"), p.Get("http://bank.co.uk/account"))
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]string{
					"www.shop.co.uk/":      "own=1; shop=1",
					"www.shop.co.uk:8080/": "own=1; shop=1",
					"api.shop.co.uk/":      "shop=1",
					"bank.co.uk/account":   tc.bank,
				}
				if diff := cmp.Diff(want, came); diff != "" {
					t.Errorf("cookies (-want +got):\n%s", diff)
				}
			})
		})
	}
}
