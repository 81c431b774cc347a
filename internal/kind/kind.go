// Package kind sorts the errors of requests by their kind, for the pictures of
// package waterfall. The program abreast uses the same names, but not this
// package: it imports only public ones.
package kind

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"

	"github.com/abreast-go/abreast/pending"
)

// A Kind is a kind of failure. Its text is shown in pictures.
type Kind string

const (
	TooLarge Kind = "too large" // the body exceeds MaxBody
	Timeout  Kind = "timeout"
	Canceled Kind = "canceled"
	DNS      Kind = "dns"
	Refused  Kind = "refused" // the host refused the connection
	Reset    Kind = "reset"
	CutOff   Kind = "cut off" // the header or the body is incomplete
	TLS      Kind = "tls"
	Connect  Kind = "connect" // any other failure to connect
	Other    Kind = "other"
)

// Of returns the kind of err, which must be the error of a request and not nil.
func Of(err error) Kind {
	var op *net.OpError
	errors.As(err, &op)
	switch {
	case as[*pending.BodyTooLargeError](err):
		return TooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	case as[*net.DNSError](err):
		return DNS
	case isErrno(err, syscall.ECONNREFUSED, wsaConnRefused):
		return Refused
	case isErrno(err, syscall.ECONNRESET, wsaConnReset), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return CutOff
	case as[*tls.CertificateVerificationError](err), as[tls.RecordHeaderError](err),
		op != nil && (op.Op == "remote error" || op.Op == "local error"): // an alert
		return TLS
	case op != nil && op.Op == "dial":
		return Connect
	}
	return Other
}

// as reports whether err matches the type E.
func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// On Windows, ECONNREFUSED and ECONNRESET have values that differ from the
// constants of package syscall.
const (
	wsaConnRefused = syscall.Errno(10061)
	wsaConnReset   = syscall.Errno(10054)
)

// isErrno reports whether err is one of these error numbers of this system.
func isErrno(err error, unix, windows syscall.Errno) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	return errno == unix || runtime.GOOS == "windows" && errno == windows
}
