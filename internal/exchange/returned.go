package exchange

import (
	"context"
	"net/http"

	"github.com/abreast-go/abreast/internal/ask"
)

// ReadReturned returns the answer of a function started with Go, which returned
// resp and err. It reads the response into memory. The end of ctx, the context
// of the function's block, ends the reading. The error of the function is
// returned unchanged. ReadReturned runs user code, which the caller guards.
func ReadReturned(ctx context.Context, resp *http.Response, err error, maxBody int64, g *Guard) ask.Answer {
	if err != nil {
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return ask.Answer{Err: err}
	}
	if resp == nil {
		resp = ask.NoContent()
	}
	own := *resp // the function may go on using its response
	if body, ok := ask.InMemory(resp); ok {
		own.Body = http.NoBody
		return ask.Answer{Response: &own, Body: body}
	}
	if body := own.Body; body != nil {
		// The body may be that of a request whose context is not this block's.
		defer context.AfterFunc(ctx, func() {
			g.Run(func() { body.Close() }, func(error) {})
		})()
	}
	from := ask.Of(own.Request).Out(nil)
	body, _, err := new(Buffer).receive(&own, from.Method(), maxBody, nil)
	own.Trailer = resp.Trailer // known now
	if err == nil && resp.Body != nil && resp.Body != http.NoBody {
		err = ctx.Err() // as for a request: see conclude
	}
	if err == nil {
		return ask.Answer{Response: &own, Body: body}
	}
	if !isRefusedResponse(err) {
		err, _ = explain(ctx, err)
	}
	return ask.Answer{Err: failure(&from, err, false)}
}
