package main

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// patience is how long a page waits for its parts. It is shown without those
// that are late.
const patience = 500 * time.Millisecond

var errLate = fmt.Errorf("the page has waited long enough: %w", context.DeadlineExceeded)

// A shop serves the pages.
type shop struct {
	catalogue catalogue
	metrics   *metrics
	client    client.Client
	patience  time.Duration
}

// A page has the content of a product's page.
type page struct {
	Product product
	Price   part[price]
	Reviews part[[]review]
	Similar part[[]product]
	Took    time.Duration
}

// gather asks the database and the services concurrently, and waits no longer
// than the shop's patience. It fails if the database does not know the product
// or does not answer. A service that fails or is late is missing from the page.
func (s *shop) gather(ctx context.Context, c *client.Client, id int) (*page, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience, errLate)
	defer cancel()

	began, got := time.Now(), new(page)
	err := c.Parallel(ctx, func(p *parallel.Parallel) (err error) {
		price := p.Get(fmt.Sprintf("http://price/%d", id))
		reviews := p.Get(fmt.Sprintf("http://reviews/%d", id))
		similar := p.Get(fmt.Sprintf("http://recommendations/%d", id))
		row := parallel.Go(p, func(p *parallel.Parallel) (product, error) { return s.catalogue.product(p.Context(), id) })

		if got.Product, err = pending.As[product](row); err != nil {
			return err // the block ends, which cancels the three requests
		}
		got.Price.take(price)
		got.Reviews.take(reviews)
		got.Similar.take(similar)
		return nil
	})
	got.Took = time.Since(began)
	return got, err
}

// A part of a page is the answer of a service, or the reason why it is missing.
type part[T any] struct {
	Answer  T
	Missing string // "late" or "failed"; empty if there is an Answer
}

// take waits for the answer, at most until the page's patience ends.
func (t *part[T]) take(h *pending.Pending) {
	switch answer, err := pending.As[T](h); {
	case err == nil:
		t.Answer = answer
	case errors.Is(err, context.DeadlineExceeded):
		t.Missing = "late"
	default:
		t.Missing = "failed"
	}
}

// whole reports whether nothing is missing.
func (p *page) whole() bool { return p.Price.Missing+p.Reviews.Missing+p.Similar.Missing == "" }

// handler returns a handler for all pages.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showFront)
	mux.HandleFunc("GET /product/{id}", s.showProduct)
	mux.HandleFunc("GET /compare", s.showCompare)
	mux.HandleFunc("GET /compare.txt", s.showCompare)
	mux.Handle("GET /metrics", s.metrics.handler())
	return mux
}

func (s *shop) showFront(w http.ResponseWriter, r *http.Request) {
	products, err := s.catalogue.products(r.Context())
	if err != nil {
		refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=60")
	render(w, http.StatusOK, "front.html", products)
}

func (s *shop) showProduct(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		refuse(w, r, sql.ErrNoRows) // no product has this number
		return
	}
	page, err := s.gather(r.Context(), &s.client, id)
	if err != nil {
		refuse(w, r, err)
		return
	}
	if page.whole() { // a missing part may be there the next time
		w.Header().Set("Cache-Control", "public, max-age=10")
	}
	render(w, http.StatusOK, "product.html", page)
}

// refuse sends a page that says why there is no other.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, sql.ErrNoRows) {
		render(w, http.StatusNotFound, "refused.html", "There is no such product.")
		return
	}
	if r.Context().Err() == nil { // otherwise the visitor has left, which is no fault
		log.Printf("%s: %v", r.URL.Path, err)
	}
	w.Header().Set("Retry-After", "5")
	render(w, http.StatusServiceUnavailable, "refused.html", "The shop can't show this page right now.")
}

//go:embed *.html
var files embed.FS

var templates = template.Must(template.ParseFS(files, "*.html"))

// render sends a page, or an error if its template fails. The page may not be
// cached unless its header says so.
func render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, data); err != nil {
		log.Print(err)
		http.Error(w, "The page can't be drawn.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

// cents is an amount of money.
type cents int

func (c cents) String() string { return fmt.Sprintf("€ %d.%02d", c/100, c%100) }
