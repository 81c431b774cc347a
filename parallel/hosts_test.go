package parallel_test

import (
	"testing"
	"testing/synctest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
)

// The Unicode and ASCII forms of one host counted as two hosts.
func TestHostLimit_oneHostInManySpellings(t *testing.T) {
	for name, tc := range map[string]struct {
		urls []string
		most int // most requests in flight with a HostLimit of 1
	}{
		"a name":        {[]string{"http://bücher.example/", "http://xn--bcher-kva.example:80/", "http://BÜCHER.example:/", "http://b%C3%BCcher.example:080/"}, 1},
		"an address":    {[]string{"http://[::1]/", "http://[0::1]:80/", "http://[0:0:0:0:0:0:0:1]/"}, 1},
		"another sigma": {[]string{"http://βόλος.example/", "http://βόλοσ.example/"}, 2},
		"another port":  {[]string{"http://a.test/", "http://a.test:8080/"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gauge
				s := testnet.New(t, &g)
				c := client.Client{HTTP: s.Client(), HostLimit: 1}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					for _, u := range tc.urls {
						p.Get(u)
					}
					drain(p)
					return nil
				})
				if got := g.most[""]; got != tc.most {
					t.Errorf("%d requests were in flight at once, want %d", got, tc.most)
				}
			})
		})
	}
}
