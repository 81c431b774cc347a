package waterfall

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"syscall"

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
	f.err = rec.clean(err.Error())
	return f, resp
}

func endOf(err error) (end, string) {
	var op *net.OpError
	errors.As(err, &op)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut, "timed out"
	case errors.Is(err, parallel.ErrEnded):
		return cancelled, "cancelled by leaving"
	case errors.Is(err, context.Canceled):
		return cancelled, "cancelled"
	case as[*pending.BodyTooLargeError](err):
		return failed, "too large"
	case as[*net.DNSError](err):
		return failed, "DNS failed"
	case isErrno(err, syscall.ECONNREFUSED, wsaConnRefused):
		return failed, "refused"
	case isErrno(err, syscall.ECONNRESET, wsaConnReset), errors.Is(err, syscall.EPIPE):
		return failed, "reset"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return failed, "cut off"
	case as[*tls.CertificateVerificationError](err), as[tls.RecordHeaderError](err),
		op != nil && (op.Op == "remote error" || op.Op == "local error"): // an alert
		return failed, "TLS failed"
	case op != nil && op.Op == "dial":
		return failed, "dial failed"
	}
	return failed, otherKind
}

func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// What Windows calls ECONNREFUSED and ECONNRESET; package syscall's own are others.
const (
	wsaConnRefused = syscall.Errno(10061)
	wsaConnReset   = syscall.Errno(10054)
)

func isErrno(err error, unix, windows syscall.Errno) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	return errno == unix || runtime.GOOS == "windows" && errno == windows
}
