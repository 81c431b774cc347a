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

// A failure says why a request has no response.
type failure struct {
	kind    string // the kind of failure, in a few words
	err     string // the text of the error
	notSent bool
}

// otherKind is the name of a failure of no other kind.
const otherKind = "failed"

// failure describes err, the error of a request, and returns the response that
// err contains, if any. It calls methods of err, which may be a user's code.
func (rec *Recorder) failure(err error) (how end, f failure, resp *http.Response) {
	how, f.kind = endOf(err)
	f.notSent = errors.Is(err, pending.ErrNotSent)
	var tooLarge *pending.BodyTooLargeError
	if errors.As(err, &tooLarge) {
		resp = tooLarge.Response
	}
	if wrapped, ok := err.(*url.Error); ok { // its URL is shown elsewhere
		err = wrapped.Err
	}
	f.err = rec.bounded(fail.Text(err.Error()))
	return how, f, resp
}

// endOf returns how a request that failed with err ended, and the words for it.
func endOf(err error) (end, string) {
	switch k := kind.Of(err); {
	case k == kind.Timeout:
		return timedOut, "timed out"
	case errors.Is(err, parallel.ErrEnded):
		return canceled, "canceled by the end of the block"
	case k == kind.Canceled:
		return canceled, "canceled"
	default:
		return failed, words[k]
	}
}

// words are the names of the kinds for which endOf has no case.
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
