package waterfall

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/abreast-go/abreast/internal/fail"
	"github.com/abreast-go/abreast/internal/kind"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A failure is how a request ended; of one that was answered it has the end alone.
type failure struct {
	end     end
	kind    string // in a few words
	err     string // in the error's
	notSent bool
}

// otherKind is what a failure is called that is of no other kind.
const otherKind = "failed"

// failure is what err, with which a request settled, comes to, and the response that
// it has, if any.
func (rec *Recorder) failure(err error) (f failure, resp *http.Response) {
	f.end, f.kind = endOf(err)
	f.notSent = errors.Is(err, pending.ErrNotSent)
	var tooLarge *pending.BodyTooLargeError
	if errors.As(err, &tooLarge) {
		resp = tooLarge.Response
	}
	if asked, ok := err.(*url.Error); ok { // the URL stands beside it
		err = asked.Err
	}
	f.err = rec.bounded(fail.Text(err.Error()))
	return f, resp
}

// endOf returns how a request that failed with err ended, and what a picture says of it.
func endOf(err error) (end, string) {
	switch k := kind.Of(err); {
	case k == kind.Timeout:
		return timedOut, "timed out"
	case errors.Is(err, parallel.ErrEnded):
		return cancelled, "cancelled by leaving"
	case k == kind.Canceled:
		return cancelled, "cancelled"
	default:
		return failed, words[k]
	}
}

var words = map[kind.Kind]string{
	kind.TooLarge: "too large",
	kind.DNS:      "DNS failed",
	kind.Refused:  "refused",
	kind.Reset:    "reset",
	kind.CutOff:   "cut off",
	kind.TLS:      "TLS failed",
	kind.Connect:  "dial failed",
	kind.Other:    otherKind,
}
