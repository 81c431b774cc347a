package parallel

import (
	"context"
	"net/http"

	"github.com/abreast-go/abreast/pending"
)

// values is the block's context with the values of the request's own, and of the
// observer's, before it.
func (s *sending) values() context.Context {
	ctx := s.p.ctx
	if s.own != nil {
		ctx = before(s.own, ctx)
	}
	if s.watched != nil && s.watched.ctx != nil {
		ctx = before(s.watched.ctx, ctx)
	}
	return ctx
}

// before is ctx with the values of first seen before its own.
func before(first, ctx context.Context) context.Context {
	// WithoutCancel hides that first can be cancelled: package context would
	// otherwise take it for the one that ends the result, find it is not, and
	// start a goroutine to watch ctx.
	return &valuesOf{ctx, context.WithoutCancel(first)}
}

type valuesOf struct {
	context.Context
	first context.Context
}

func (v *valuesOf) Value(key any) any {
	if x := v.first.Value(key); x != nil {
		return x
	}
	return v.Context.Value(key)
}

// view is a copy of the request for others to look at before it is sent. It has no
// body: that is for the transport alone.
func (s *sending) view(ctx context.Context) *http.Request {
	if s.get != nil {
		u := *s.get // its User is immutable
		return pending.NewGet(ctx, &u)
	}
	r := s.request.Clone(ctx)
	r.Body = nil
	return r
}
