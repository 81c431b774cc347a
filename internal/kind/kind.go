// Package kind sorts the errors of requests. Pictures and programs name a failure in a
// word or two, and agree on which it is.
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

// A Kind is a kind of failure. Its text is for the output of programs.
type Kind string

const (
	TooLarge Kind = "too large" // the body
	Timeout  Kind = "timeout"
	Canceled Kind = "canceled"
	DNS      Kind = "dns"
	Refused  Kind = "refused" // the connection, by the host
	Reset    Kind = "reset"
	CutOff   Kind = "cut off" // the body, or the response before its header was complete
	TLS      Kind = "tls"
	Connect  Kind = "connect" // any other failure to connect
	Other    Kind = "other"
)

// Of returns the kind of the error of a request, which must not be nil.
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

func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// Windows has values of its own for ECONNREFUSED and ECONNRESET, which package syscall's
// constants do not equal.
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
