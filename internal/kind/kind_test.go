package kind_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"

	"github.com/abreast-go/abreast/internal/kind"
	"github.com/abreast-go/abreast/pending"
)

func TestOf(t *testing.T) {
	op := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	for _, tt := range []struct {
		err  error
		want kind.Kind
	}{
		{&pending.BodyTooLargeError{Limit: 1}, kind.TooLarge},
		{context.DeadlineExceeded, kind.Timeout},
		{op("dial", context.DeadlineExceeded), kind.Timeout},
		{context.Canceled, kind.Canceled},
		{op("dial", &net.DNSError{}), kind.DNS},
		{op("dial", syscall.ECONNREFUSED), kind.Refused},
		{op("read", syscall.ECONNRESET), kind.Reset},
		{op("write", syscall.EPIPE), kind.Reset},
		{io.ErrUnexpectedEOF, kind.CutOff},
		{io.EOF, kind.CutOff},
		{&tls.CertificateVerificationError{Err: errors.New("x")}, kind.TLS},
		{tls.RecordHeaderError{}, kind.TLS},
		{op("remote error", tls.AlertError(40)), kind.TLS},
		{op("dial", syscall.EHOSTUNREACH), kind.Connect},
		{errors.New("x"), kind.Other},
	} {
		for _, err := range []error{tt.err, &url.Error{Op: "Get", Err: fmt.Errorf("x: %w", tt.err)}} {
			if got := kind.Of(err); got != tt.want {
				t.Errorf("Of(%v) = %q; want %q", err, got, tt.want)
			}
		}
	}
}
