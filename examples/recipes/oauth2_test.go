package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// The token is fetched once, before the block.
func ExampleClientCredentials() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			fmt.Println("a token for", r.FormValue("scope"))
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token": "secret", "token_type": "Bearer", "expires_in": 3600}`)
			return
		}
		fmt.Fprintf(w, "%s for %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer srv.Close()

	ctx := context.Background()
	credentials, err := recipes.NewClientCredentials(ctx, &clientcredentials.Config{
		ClientID: "shop", ClientSecret: "s3cret", TokenURL: srv.URL + "/token", Scopes: []string{"stock"},
		AuthStyle: oauth2.AuthStyleInHeader, // or else it tries both
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := client.Client{BaseURL: srv.URL, Auth: credentials.Auth}
	err = api.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, h := range []*pending.Pending{p.Get("/stock/7"), p.Get("/stock/8")} {
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
	// a token for stock
	// /stock/7 for "Bearer secret"
	// /stock/8 for "Bearer secret"
}

// An issuer is a token server at http://auth, and the service at http://api
// that wants its tokens, which are good for a minute, but for the 10 s before
// its end that oauth2 leaves.
type issuer struct {
	*testnet.Server
	hangs chan struct{} // until it is closed; nil: it doesn't

	mu     sync.Mutex
	issued int
	served []string // host and Authorization of what came to others than auth
}

func newIssuer(t *testing.T) *issuer {
	i := new(issuer)
	i.Server = testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "auth":
			if i.hangs != nil {
				select {
				case <-i.hangs:
				case <-r.Context().Done():
					return
				}
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			i.issued++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token": "token-%d", "token_type": "Bearer", "expires_in": 60}`, i.issued)
			return
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, "http://elsewhere/", http.StatusFound)
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.served = append(i.served, r.Host+": "+r.Header.Get("Authorization"))
	}))
	return i
}

// context has oauth2 fetch its tokens there.
func (i *issuer) context(t *testing.T) context.Context {
	return context.WithValue(t.Context(), oauth2.HTTPClient, i.Client())
}

func (i *issuer) config() *clientcredentials.Config {
	return &clientcredentials.Config{ClientID: "shop", ClientSecret: "s3cret", TokenURL: "http://auth/token", AuthStyle: oauth2.AuthStyleInHeader}
}

// client has a token that was just issued.
func (i *issuer) client(t *testing.T) client.Client {
	credentials, err := recipes.NewClientCredentials(i.context(t), i.config())
	if err != nil {
		t.Fatal(err)
	}
	return client.Client{BaseURL: "http://api", HTTP: i.Client(), Auth: credentials.Auth}
}

// An expired token is renewed once, however many requests want it.
func TestClientCredentials_renewsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		c := i.client(t)
		all := func() {
			err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
				hs := make([]*pending.Pending, 20)
				for n := range hs {
					hs[n] = p.Get("/")
				}
				_, err := pending.All(hs...)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		all()
		<-time.After(49 * time.Second)
		all()
		if i.issued != 1 {
			t.Errorf("%d tokens were issued while the first was good", i.issued)
		}
		<-time.After(2 * time.Second)
		all()
		came := make(map[string]int)
		for _, line := range i.served {
			came[line]++
		}
		want := map[string]int{"api: Bearer token-1": 40, "api: Bearer token-2": 20}
		if diff := cmp.Diff(want, came); diff != "" || i.issued != 2 {
			t.Errorf("%d tokens were issued, want 2; how many came with which (-want +got):\n%s", i.issued, diff)
		}
	})
}

// If the token server hangs, no request outlives its context: neither the one
// that fetches the token nor those that wait for it.
func TestClientCredentials_endDoesntWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		c := i.client(t)
		<-time.After(time.Minute)
		i.hangs = make(chan struct{})
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			fetching, waiting := p.Get("/"), p.Get("/", parallel.Timeout(time.Second))
			p.Get("/")
			if _, err := waiting.Response(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%v; want a timeout that says ErrNotSent", err)
			}
			fetching.Cancel()
			if _, err := fetching.Response(); !errors.Is(err, context.Canceled) || !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("%v; want it canceled, and ErrNotSent", err)
			}
			return nil
		})
		if took := time.Since(start); took != time.Second {
			t.Errorf("the block took %v; want 1s", took)
		}
		// The token that was not fetched is the next one's affair.
		close(i.hangs)
		if err := c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("/").Bytes()
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

// The token goes to the API and not along its redirects.
func TestClientCredentials_stayWithOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		c := i.client(t)
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("/elsewhere").Response()
			return err
		})
		if diff := cmp.Diff([]string{"api: Bearer token-1", "elsewhere: "}, i.served); diff != "" {
			t.Errorf("what came with which token (-want +got):\n%s", diff)
		}
	})
}

// oauth2.Transport knows neither origins nor the request's context. See
// WARNINGS.md.
func TestOauth2Transport_tokenFollowsRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		transport := &oauth2.Transport{Source: i.config().TokenSource(i.context(t)), Base: i.Transport}
		c := client.Client{BaseURL: "http://api", HTTP: &http.Client{Transport: transport}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err := p.Get("/elsewhere").Response()
			return err
		})
		if diff := cmp.Diff([]string{"api: Bearer token-1", "elsewhere: Bearer token-1"}, i.served); diff != "" {
			t.Errorf("what came with which token (-want +got):\n%s", diff)
		}
	})
}

func TestOauth2Transport_endOfBlockWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.hangs = make(chan struct{})
		time.AfterFunc(time.Hour, func() { close(i.hangs) })
		transport := &oauth2.Transport{Source: i.config().TokenSource(i.context(t)), Base: i.Transport}
		c := client.Client{BaseURL: "http://api", HTTP: &http.Client{Transport: transport}}
		start := time.Now()
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("/", parallel.Timeout(time.Second))
			synctest.Wait()
			return nil
		})
		if took := time.Since(start); took != time.Hour || len(i.served) != 0 {
			t.Errorf("leaving took %v, and %q came; want 1h, and nothing", took, i.served)
		}
	})
}

// Wrong credentials are an error before any block, and their secret is not in
// it.
func TestClientCredentials_wrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client"}`)
		}))
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.Client())
		_, err := recipes.NewClientCredentials(ctx, new(issuer).config())
		if err == nil || err.Error() != `oauth2: "invalid_client"` {
			t.Errorf("NewClientCredentials: %v", err)
		}
	})
}
