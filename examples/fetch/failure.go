package main

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

// Kinds of failure, as the lines name them.
const (
	kindBadURL    = "bad URL"
	kindStatus    = "status" // outside 2xx
	kindDNS       = "dns"
	kindRefused   = "refused"
	kindConnect   = "connect" // any other failure to connect
	kindTLS       = "tls"
	kindTimeout   = "timeout"
	kindReset     = "reset"
	kindCutOff    = "cut off"
	kindTooLarge  = "too large"
	kindFile      = "file" // a body could not be written
	kindCancelled = "cancelled"
	kindOther     = "other"
)

// kindOf sorts what a request, or the keeping of its body, failed with.
func kindOf(err error) string {
	var op *net.OpError
	errors.As(err, &op)
	switch {
	case errors.Is(err, errTooLarge), as[*pending.BodyTooLargeError](err):
		return kindTooLarge
	case as[*fileError](err):
		return kindFile
	case errors.Is(err, context.DeadlineExceeded):
		return kindTimeout
	case errors.Is(err, context.Canceled):
		return kindCancelled
	case as[*net.DNSError](err):
		return kindDNS
	case isErrno(err, syscall.ECONNREFUSED, wsaConnRefused):
		return kindRefused
	case isErrno(err, syscall.ECONNRESET, wsaConnReset), errors.Is(err, syscall.EPIPE):
		return kindReset
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return kindCutOff
	case as[*tls.CertificateVerificationError](err), as[tls.RecordHeaderError](err),
		op != nil && (op.Op == "remote error" || op.Op == "local error"): // an alert
		return kindTLS
	case op != nil && op.Op == "dial":
		return kindConnect
	}
	return kindOther
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
