package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
)

// newShop is a shop for a bubble: it asks the services over a network in
// memory.
func newShop(t *testing.T, services map[string]*http.Server) (*shop, *testnet.Server) {
	t.Helper()
	catalogue, err := newCatalogue(filepath.Join(t.TempDir(), "catalogue.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { catalogue.Close() })
	net := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		services[r.Host].Handler.ServeHTTP(w, r)
	}))
	m := newMetrics()
	return &shop{catalogue, m, client.Client{HTTP: net.Client(), Observe: m.observe}, patience}, net
}

// get is what a visitor gets, and how long it takes.
func get(ctx context.Context, s *shop, path string) (*httptest.ResponseRecorder, time.Duration) {
	began := time.Now()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	return w, time.Since(began)
}

// without is the services of the shop, one of which does something else.
func without(name string, instead http.HandlerFunc) map[string]*http.Server {
	all := services()
	if name != "" {
		all[name].Handler = instead
	}
	return all
}

// Instead of answering, a service
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
func fails(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "no", http.StatusInternalServerError)
}
func stammers(w http.ResponseWriter, _ *http.Request) {
	w.Write([]byte(`[{"id": 1, "name": "half a page"}, {"id": "two"}]`))
}

const (
	hasPrice   = "€ 54.90"
	hasReviews = "Pours a line as thin as I ask for"
	hasSimilar = "Pour-over stand"
)

func TestPage_shownWithoutMissingParts(t *testing.T) {
	for name, tt := range map[string]struct {
		service string
		instead http.HandlerFunc
		says    []string
		lacks   string
		took    time.Duration
	}{
		"nothing is missing":      {"", nil, []string{hasPrice, "€ 59.00", "3 in stock", hasReviews, hasSimilar}, "missing\"", 160 * time.Millisecond},
		"late price":              {"price", hangs, []string{"€ 59.00", "today's is late", hasReviews, hasSimilar}, hasPrice, patience},
		"late reviews":            {"reviews", hangs, []string{hasPrice, "The reviews are late", hasSimilar}, hasReviews, patience},
		"late recommendations":    {"recommendations", hangs, []string{hasPrice, hasReviews, "recommendations are late"}, hasSimilar, patience},
		"no price":                {"price", fails, []string{"€ 59.00", "today's can't be had", hasReviews, hasSimilar}, hasPrice, 160 * time.Millisecond},
		"no reviews":              {"reviews", fails, []string{hasPrice, "The reviews can't be had", hasSimilar}, hasReviews, 120 * time.Millisecond},
		"no recommendations":      {"recommendations", fails, []string{hasPrice, hasReviews, "recommendations can't be had"}, hasSimilar, 160 * time.Millisecond},
		"recommendations in part": {"recommendations", stammers, []string{hasPrice, hasReviews, "recommendations can't be had"}, "half a page", 160 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newShop(t, without(tt.service, tt.instead))
				page, took := get(t.Context(), s, "/product/7")
				if page.Code != http.StatusOK || took != tt.took {
					t.Errorf("status %d after %v, want 200 after %v", page.Code, took, tt.took)
				}
				_, body, _ := strings.Cut(page.Body.String(), "<main>")
				for _, text := range tt.says {
					if !strings.Contains(body, text) {
						t.Errorf("the page doesn't say %q", text)
					}
				}
				if strings.Contains(body, tt.lacks) {
					t.Errorf("the page says %q", tt.lacks)
				}
				if t.Failed() {
					t.Log(body)
				}
			})
		})
	}
}

// Only what is whole may be kept, and nothing may be taken for what it is not.
func TestPage_headers(t *testing.T) {
	const html, text = "text/html; charset=utf-8", "text/plain; charset=utf-8"
	type headers struct {
		status                   int
		contentType, mayBeCached string
	}
	for path, want := range map[string]headers{
		"/":            {200, html, "public, max-age=60"},
		"/product/7":   {200, html, "public, max-age=10"},
		"/product/3":   {200, html, "no-store"}, // its reviews are late
		"/product/999": {404, html, "no-store"},
		"/compare":     {200, html, "no-store"},
		"/compare.txt": {200, text, "no-store"},
		"/nothing":     {404, text, ""},
	} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newShop(t, services())
				page, _ := get(t.Context(), s, path)
				h := page.Header()
				got := headers{page.Code, h.Get("Content-Type"), h.Get("Cache-Control")}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(headers{})); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				policy, sniff := h.Get("Content-Security-Policy"), h.Get("X-Content-Type-Options")
				if want.contentType == html && (!strings.HasPrefix(policy, "default-src 'none'") || sniff != "nosniff") {
					t.Errorf("Content-Security-Policy %q, X-Content-Type-Options %q", policy, sniff)
				}
			})
		})
	}
}

// The database says first that there is no such product. The page does not wait
// for the services then.
func TestPage_unknownProduct(t *testing.T) {
	for _, id := range []string{"999", "0", "-7", "seven", "7%00", "7%2F..", "99999999999999999999"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newShop(t, services())
				page, took := get(t.Context(), s, "/product/"+id)
				if page.Code != http.StatusNotFound || took != 0 {
					t.Errorf("status %d after %v, want 404 at once", page.Code, took)
				}
			})
		})
	}
}

func TestPage_noDatabase(t *testing.T) {
	for _, path := range []string{"/", "/product/7", "/compare", "/compare.txt"} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newShop(t, services())
				s.catalogue.Close()
				page, took := get(t.Context(), s, path)
				if page.Code != http.StatusServiceUnavailable || page.Header().Get("Retry-After") == "" || took != 0 {
					t.Errorf("status %d after %v, %v; want 503 at once, with a Retry-After", page.Code, took, page.Header())
				}
			})
		})
	}
}

// Texts of the services and the database are escaped.
func TestPage_escapesForeignText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newShop(t, services())
		page, _ := get(t.Context(), s, "/product/5")
		body := page.Body.String()
		for _, text := range []string{
			"<h1>Filter papers &lt;size 02&gt;</h1>",
			"for cones of size 02 &amp; the like",
			"&lt;script&gt;document.title = &#39;mine&#39;&lt;/script&gt;",
			"&lt;b&gt;Paper&lt;/b&gt; &amp; water",
		} {
			if !strings.Contains(body, text) {
				t.Errorf("the page doesn't say %s", text)
			}
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "<size") {
			t.Error("foreign text became a part of the page")
		}
	})
}

// The visitor's connection ends, and with it everything that was asked for
// them.
func TestPage_endsWithItsVisitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := newShop(t, services())
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		_, took := get(ctx, s, "/product/7")
		if took != 100*time.Millisecond {
			t.Errorf("the page was given up after %v, want 100ms", took)
		}
		net.Transport.CloseIdleConnections()
		synctest.Wait()
		if n := net.Open(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}
