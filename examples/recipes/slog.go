package recipes

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/pending"
)

// Log returns a function for Client.Observe that logs one line for each request
// when it is done: at level Debug if it was canceled (as the loser of a race,
// or by the end of its block), at Error if it failed, at Warn if its status is
// 400 or more, and at Info otherwise.
//
// A request that Client.Retry has sent again has one line, with the number of
// attempts and the outcome of the last.
//
// The line has no headers. The URL is logged without user, password and query,
// and the text of an error without its URL. The path is logged, so it must not
// contain secrets; if it has an "@", everything before it is replaced.
func Log(logger *slog.Logger) func(*http.Request) (context.Context, func(pending.Outcome)) {
	return func(r *http.Request) (context.Context, func(pending.Outcome)) {
		return nil, func(o pending.Outcome) {
			attrs := []slog.Attr{
				slog.String("method", r.Method),
				slog.String("url", shown(r.URL)),
				slog.Int64("bytes", o.Bytes),
				slog.Duration("took", o.Done.Sub(o.Made)),
			}
			if !o.Sent.IsZero() {
				attrs = append(attrs, slog.Duration("queued", o.Sent.Sub(o.Made)))
			}
			if o.Attempts > 1 {
				attrs = append(attrs, slog.Int("attempts", o.Attempts))
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

// shown returns u without user, password and query. An "@" after the host, also
// an escaped one, is most likely the end of a password with a slash in it: of
// https://user:/secret@host, the host is "user" and the path "/secret@host".
func shown(u *url.URL) string {
	text := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	if at := max(strings.LastIndexByte(text, '@'), strings.LastIndex(text, "%40")); at >= 0 {
		return u.Scheme + "://***" + text[at:]
	}
	return text
}

// withoutURL returns the error that the URL errors of err wrap.
func withoutURL(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	return err
}
