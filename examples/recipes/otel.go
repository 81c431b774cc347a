package recipes

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// TracedParallel calls c.Parallel in a span, which is the parent of the spans
// of the block's requests. They have all ended when it ends.
func TracedParallel(ctx context.Context, tracer trace.Tracer, name string, c *client.Client, fn func(*parallel.Parallel) error) error {
	ctx, span := tracer.Start(ctx, name)
	defer span.End()
	err := c.Parallel(ctx, fn)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// TracedRequests returns a function for Client.Observe that makes a span for
// each request, from when it is made until it is done. So the span has its time
// in the queue and the pauses between its attempts. The spans of Traced are
// within it, one for each attempt and hop. Its attribute "attempts" counts the
// attempts. A request that was canceled has a span without an error.
func TracedRequests(tracer trace.Tracer) func(*http.Request) (context.Context, func(pending.Outcome)) {
	return func(r *http.Request) (context.Context, func(pending.Outcome)) {
		ctx, span := tracer.Start(r.Context(), "request "+r.Method)
		return ctx, func(o pending.Outcome) {
			span.SetAttributes(attribute.Int("attempts", o.Attempts))
			if failed := (*url.Error)(nil); errors.As(o.Err, &failed) && !errors.Is(failed, context.Canceled) {
				span.SetStatus(codes.Error, failed.Err.Error()) // without the URL, which may have a secret in its query
			}
			span.End()
		}
	}
}

// Traced returns a transport that calls next and makes a client span for each
// hop. It is for Client.HTTP.Transport. A request that was canceled, like the
// loser of a race, has a span without an error.
func Traced(next http.RoundTripper, opts ...otelhttp.Option) http.RoundTripper {
	return otelhttp.NewTransport(untroubled{next}, opts...)
}

// untroubled is a transport under otelhttp, which marks a span as failed for
// any error. It ends the span of a canceled request before otelhttp does: a
// span that has ended does not change. So its status stays unset and it has no
// error.type, as OpenTelemetry's conventions for HTTP spans demand.
type untroubled struct{ next http.RoundTripper }

func (t untroubled) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		endIfCanceled(r.Context())
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
		endIfCanceled(b.ctx)
	}
	return n, err
}

// endIfCanceled ends the span of ctx if ctx was canceled. It asks ctx because
// net/http returns the cause with which a context was canceled. A missed
// deadline stays an error.
func endIfCanceled(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		trace.SpanFromContext(ctx).End()
	}
}
