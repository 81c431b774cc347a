package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// One span for the block, and under it one for each request.
func ExampleTraced() {
	asked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-r.Context().Done()
			return
		}
		<-asked
	}))
	defer srv.Close()

	spans := tracetest.NewInMemoryExporter() // in a program: that of OTLP, and WithBatcher
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	transport := client.NewTransport()
	defer transport.CloseIdleConnections()

	c := client.Client{BaseURL: srv.URL, HTTP: &http.Client{Transport: recipes.Traced(transport,
		otelhttp.WithPropagators(propagation.TraceContext{}), // tells the servers
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }))}}
	err := recipes.TracedParallel(context.Background(), provider.Tracer("shop"), "product page", &c, func(p *parallel.Parallel) error {
		_, err := pending.Race(p.Get("/fast"), p.Get("/slow")).Response()
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	for _, s := range spans.GetSpans() {
		fmt.Printf("%s: %v\n", s.Name, s.Status.Code)
	}
	// Output:
	// GET /fast: Unset
	// GET /slow: Unset
	// product page: Unset
}

// A request that was canceled on purpose, before its response or in its body,
// is not an error in the trace. A failure is.
func TestTraced_loserIsNoError(t *testing.T) {
	cases := map[string]struct {
		path string
		end  func(h *pending.Pending, cancel context.CancelCauseFunc) // nil: it ends by itself
		want codes.Code
	}{
		"an answer":                       {"/", nil, codes.Unset},
		"canceled":                        {"/hangs", func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() }, codes.Unset},
		"canceled in its body":            {"/hangs-in-its-body", func(h *pending.Pending, _ context.CancelCauseFunc) { h.Cancel() }, codes.Unset},
		"its block was left":              {"/hangs", func(*pending.Pending, context.CancelCauseFunc) {}, codes.Unset},
		"its block was left, in the body": {"/hangs-in-its-body", func(*pending.Pending, context.CancelCauseFunc) {}, codes.Unset},
		"the caller has gone": {"/hangs", func(h *pending.Pending, cancel context.CancelCauseFunc) {
			cancel(errors.New("the visitor has gone"))
			h.Response()
		}, codes.Unset},
		"a timeout":               {"/hangs", nil, codes.Error},
		"a timeout in its body":   {"/hangs-in-its-body", nil, codes.Error},
		"a connection that broke": {"/breaks", nil, codes.Error},
		"a 503":                   {"/503", nil, codes.Error},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var traceparent string
				s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					traceparent = r.Header.Get("Traceparent")
					switch r.URL.Path {
					case "/hangs":
						<-r.Context().Done()
					case "/hangs-in-its-body":
						fmt.Fprint(w, "so far")
						http.NewResponseController(w).Flush()
						<-r.Context().Done()
					case "/breaks":
						panic(http.ErrAbortHandler)
					case "/503":
						w.WriteHeader(http.StatusServiceUnavailable)
					}
				}))
				exporter := tracetest.NewInMemoryExporter()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
				traced := recipes.Traced(s.Transport, otelhttp.WithPropagators(propagation.TraceContext{}))
				c := client.Client{HTTP: &http.Client{Transport: traced}}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				err := recipes.TracedParallel(ctx, provider.Tracer("test"), "block", &c, func(p *parallel.Parallel) error {
					h := p.Get("http://h" + tc.path)
					synctest.Wait()
					if tc.end == nil {
						h.Response()
					} else {
						tc.end(h, cancel)
					}
					return nil
				})
				spans := exporter.GetSpans()
				if err != nil || len(spans) != 2 {
					t.Fatalf("the block returned %v and has %d spans; want nil and 2", err, len(spans))
				}
				request, block := spans[0], spans[1]
				if request.Status.Code != tc.want {
					t.Errorf("the request's span has status %v; want %v", request.Status, tc.want)
				}
				if got := attributeOf(request, "error.type"); (got != "") != (tc.want == codes.Error) {
					t.Errorf("error.type = %q beside a status of %v", got, tc.want)
				}
				if block.Status.Code != codes.Unset {
					t.Errorf("the block's span has status %v", block.Status)
				}
				if request.Parent.SpanID() != block.SpanContext.SpanID() || request.EndTime.After(block.EndTime) {
					t.Errorf("the request's span is not within the block's")
				}
				want := fmt.Sprintf("00-%v-%v-01", block.SpanContext.TraceID(), request.SpanContext.SpanID())
				if traceparent != want {
					t.Errorf("the server was told %q; want %q", traceparent, want)
				}
			})
		})
	}
}

// The order of the transports decides whether a retried request has one span or
// one for each attempt.
func TestTraced_aroundRetryOrWithin(t *testing.T) {
	retry := func(next http.RoundTripper) http.RoundTripper { return recipes.Retry(next, time.Second) }
	traced := func(next http.RoundTripper) http.RoundTripper { return recipes.Traced(next) }
	for name, tc := range map[string]struct {
		outer, inner func(http.RoundTripper) http.RoundTripper
		want         []codes.Code // the last is the block's
	}{
		"traced, retried": {traced, retry, []codes.Code{codes.Unset, codes.Unset}},
		"retried, traced": {retry, traced, []codes.Code{codes.Error, codes.Unset, codes.Unset}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testnet.New(t, &turned{status: []int{503, 200}})
				exporter := tracetest.NewInMemoryExporter()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
				c := client.Client{HTTP: &http.Client{Transport: tc.outer(tc.inner(s.Transport))}}
				err := recipes.TracedParallel(t.Context(), provider.Tracer("test"), "block", &c, func(p *parallel.Parallel) error {
					_, err := p.Get("http://h/").Bytes()
					return err
				})
				if err != nil {
					t.Error(err)
				}
				var got []codes.Code
				for _, s := range exporter.GetSpans() {
					got = append(got, s.Status.Code)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("spans (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A request that is sent again has a span for each attempt, within a span of
// its own, which counts them.
func TestTracedRequests(t *testing.T) {
	const s, none = time.Second, codes.Unset
	type span struct {
		Name     string
		Under    string
		Took     time.Duration
		Status   codes.Code
		Attempts string
	}
	attempt := func(status codes.Code) span { return span{"HTTP GET", "request GET", s, status, ""} }
	for name, test := range map[string]struct {
		status []int
		end    func(*pending.Pending) // nil: it ends by itself
		want   []span                 // in the order of their ends
	}{
		"one attempt": {[]int{200}, nil, []span{attempt(none), {"request GET", "block", s, none, "1"}}},
		"three":       {[]int{503, 503, 200}, nil, []span{attempt(codes.Error), attempt(codes.Error), attempt(none), {"request GET", "block", 7 * s, none, "3"}}},
		"canceled in the pause": {[]int{503, 200}, func(h *pending.Pending) {
			time.Sleep(2 * s)
			h.Cancel()
			h.Response()
		}, []span{attempt(codes.Error), {"request GET", "block", 2 * s, none, "1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &turned{status: test.status, retryAfter: "2"}
				srv := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(s)
					server.ServeHTTP(w, r)
				}))
				exporter := tracetest.NewInMemoryExporter()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
				tracer := provider.Tracer("test")
				c := client.Client{
					HTTP:    &http.Client{Transport: recipes.Traced(srv.Transport, otelhttp.WithTracerProvider(provider))},
					Retry:   parallel.Retries(4),
					Observe: recipes.TracedRequests(tracer),
				}
				recipes.TracedParallel(t.Context(), tracer, "block", &c, func(p *parallel.Parallel) error {
					h := p.Get("http://h/")
					if test.end != nil {
						test.end(h)
					}
					h.Response()
					return nil
				})
				spans := exporter.GetSpans()
				names := make(map[string]string)
				for _, s := range spans {
					names[s.SpanContext.SpanID().String()] = s.Name
				}
				var got []span
				for _, s := range spans[:len(spans)-1] {
					got = append(got, span{
						s.Name, names[s.Parent.SpanID().String()], s.EndTime.Sub(s.StartTime), s.Status.Code, attributeOf(s, "attempts"),
					})
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("spans (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// otelhttp by itself marks a canceled request as failed. See WARNINGS.md.
func TestOtelhttp_loserIsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		exporter := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
		c := client.Client{HTTP: &http.Client{Transport: otelhttp.NewTransport(s.Transport)}}
		recipes.TracedParallel(t.Context(), provider.Tracer("test"), "block", &c, func(p *parallel.Parallel) error {
			h := p.Get("http://h/")
			synctest.Wait()
			h.Cancel()
			return nil
		})
		if got := exporter.GetSpans()[0].Status; got.Code != codes.Error {
			t.Errorf("the loser's span has status %v; want %v", got, codes.Error)
		}
	})
}

func attributeOf(s tracetest.SpanStub, key attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// The block's span has the error that fn returned.
func TestTracedParallel_error(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	errNoUser := errors.New("no such user")
	err := recipes.TracedParallel(t.Context(), provider.Tracer("test"), "block", new(client.Client), func(*parallel.Parallel) error {
		return errNoUser
	})
	want := sdktrace.Status{Code: codes.Error, Description: "no such user"}
	if got := exporter.GetSpans()[0].Status; err != errNoUser || got != want {
		t.Errorf("the block returned %v, its span has %v; want %v, %v", err, got, errNoUser, want)
	}
}

// otelhttp adds its span to the request's context, in which the library watches
// for connections: the proof that nothing was sent is still seen.
func TestTraced_notSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.NotFoundHandler())
		s.Close()
		c := client.Client{HTTP: &http.Client{Transport: recipes.Traced(s.Transport)}}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			if _, err := p.Get("http://h/").Response(); !errors.Is(err, pending.ErrNotSent) {
				t.Errorf("a refused dial: %v; want %v", err, pending.ErrNotSent)
			}
			return nil
		})
	})
}

// A span of otelhttp starts when the request is sent, without the time in the
// queue.
func TestOtelhttp_queueNotInSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(time.Second) }))
		exporter := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
		c := client.Client{Limit: 1, HTTP: &http.Client{Transport: recipes.Traced(s.Transport)}}
		recipes.TracedParallel(t.Context(), provider.Tracer("test"), "block", &c, func(p *parallel.Parallel) error {
			_, err := pending.All(p.Get("http://h/1"), p.Get("http://h/2"))
			return err
		})
		var took []time.Duration
		for _, s := range exporter.GetSpans() {
			took = append(took, s.EndTime.Sub(s.StartTime))
		}
		if diff := cmp.Diff([]time.Duration{time.Second, time.Second, 2 * time.Second}, took); diff != "" {
			t.Errorf("spans (-want +got):\n%s", diff)
		}
	})
}
