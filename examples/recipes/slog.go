package recipes

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/abreast-go/abreast/pending"
)

// Log is a Client.Observe that writes one line for each request, once it has settled: of
// what was cancelled at level Debug (the losers of a race, what a block leaves behind), of a
// failure at Error, of a status of 400 and up at Warn, of all else at Info.
//
// No header is in it, and of the URL neither user, password nor query, in the error's text
// neither. A path is logged: what is secret doesn't belong there.
func Log(logger *slog.Logger) func(*http.Request) (context.Context, func(pending.Outcome)) {
	return func(r *http.Request) (context.Context, func(pending.Outcome)) {
		return nil, func(o pending.Outcome) {
			attrs := []slog.Attr{
				slog.String("method", r.Method),
				slog.String("url", (&url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}).String()),
				slog.Int64("bytes", o.Bytes),
				slog.Duration("took", o.Settled.Sub(o.Made)),
			}
			if !o.Sent.IsZero() {
				attrs = append(attrs, slog.Duration("queued", o.Sent.Sub(o.Made)))
			}
			level := slog.LevelInfo
			switch {
			case errors.Is(o.Err, context.Canceled):
				level = slog.LevelDebug
			case o.Err != nil:
				level = slog.LevelError
			case o.Response.StatusCode >= 400:
				level = slog.LevelWarn
			}
			if o.Err != nil {
				attrs = append(attrs, slog.Any("error", withoutURL(o.Err)))
			} else {
				attrs = append(attrs, slog.Int("status", o.Response.StatusCode))
			}
			logger.LogAttrs(r.Context(), level, "request", attrs...)
		}
	}
}

// withoutURL is what the URL errors that err consists of are about.
func withoutURL(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	return err
}
