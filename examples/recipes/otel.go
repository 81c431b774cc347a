package recipes

import (
	"context"
	"errors"
	"io"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// TracedParallel is c.Parallel in a span of its own, the parent of the spans of its
// requests: these have all ended when it does.
func TracedParallel(ctx context.Context, tracer trace.Tracer, name string, c *client.Client, fn func(*parallel.Parallel) error) error {
	ctx, span := tracer.Start(ctx, name)
	defer span.End()
	err := c.Parallel(ctx, fn)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// Traced is next with a client span for each hop, for Client.HTTP.Transport. A request
// that was cancelled, as the loser of a race is, has its span, and that is no error.
func Traced(next http.RoundTripper, opts ...otelhttp.Option) http.RoundTripper {
	return otelhttp.NewTransport(untroubled{next}, opts...)
}

// untroubled stands under otelhttp, which makes an error of any error. It ends the span
// of what was cancelled before otelhttp can: a span that has ended is not changed any
// more. So its status stays unset and it has no error.type, as OpenTelemetry's
// conventions for HTTP spans want it.
type untroubled struct{ next http.RoundTripper }

func (t untroubled) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		endIfCancelled(r.Context())
		return resp, err
	}
	resp.Body = untroubledBody{resp.Body, r.Context()}
	return resp, nil
}

type untroubledBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b untroubledBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		endIfCancelled(b.ctx)
	}
	return n, err
}

// endIfCancelled looks at the context: what net/http returns for one that was cancelled
// with a cause is that cause. A deadline is no cancellation, and stays an error.
func endIfCancelled(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		trace.SpanFromContext(ctx).End()
	}
}
