package lines

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"

	"github.com/abreast-go/abreast/pending"
)

// A Kind is the kind of a failure. Its text is written to results.
type Kind string

const (
	BadLine  Kind = "bad line"  // the line is not a request
	Status   Kind = "status"    // a response with a status outside 2xx
	File     Kind = "file"      // the body could not be written to its file
	TooLarge Kind = "too large" // the body is longer than allowed
	Timeout  Kind = "timeout"
	Canceled Kind = "canceled"
	DNS      Kind = "dns"
	Refused  Kind = "refused" // the host refused the connection
	Reset    Kind = "reset"
	CutOff   Kind = "cut off" // the header or the body is incomplete
	TLS      Kind = "tls"
	Proxy    Kind = "proxy"   // the proxy refused the connection or cannot be reached
	Connect  Kind = "connect" // any other failure to connect
	Other    Kind = "other"
)

// KindOf returns the kind of err, the error of a request. It must not be nil.
func KindOf(err error) Kind {
	var op *net.OpError
	errors.As(err, &op)
	switch {
	case as[*fs.PathError](err), as[*os.LinkError](err):
		return File
	case as[*pending.BodyTooLargeError](err), errors.Is(err, ErrTooLarge):
		return TooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	case op != nil && op.Op == "proxyconnect":
		return Proxy
	case as[*net.DNSError](err):
		return DNS
	case isErrno(err, syscall.ECONNREFUSED, wsaConnRefused):
		return Refused
	case isErrno(err, syscall.ECONNRESET, wsaConnReset), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return CutOff
	case as[*tls.CertificateVerificationError](err), as[tls.RecordHeaderError](err), errors.Is(err, http.ErrSchemeMismatch),
		op != nil && (op.Op == "remote error" || op.Op == "local error"): // an alert
		return TLS
	case op != nil && op.Op == "dial":
		return Connect
	}
	return Other
}

// ErrTooLarge is the error of a body that is longer than its writer allows.
var ErrTooLarge = errors.New("the body is longer than allowed")

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
