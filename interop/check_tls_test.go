//go:build linux

package interop

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/pending"
)

// checkTLS sends to servers with good and bad certificates, with and without a
// client certificate, with TLS 1.2, and without ALPN.
func checkTLS(t *testing.T, s server, proto protocol) result {
	certs := certificates(t)
	authority := variation{ClientCA: certs.file("ca")}
	for _, c := range []struct {
		name   string
		site   variation
		client string           // the client's certificate
		want   func(error) bool // nil: the request is answered
		unsent bool             // the error must match ErrNotSent
	}{
		{"client certificate", authority, "client", nil, false},
		{"no client certificate", authority, "", refused, false},
		{"wrong client certificate", authority, "stranger", refused, false},
		{"self-signed", variation{Cert: certs.file("self")}, "", is[x509.UnknownAuthorityError], true},
		{"expired", variation{Cert: certs.file("expired")}, "", is[x509.CertificateInvalidError], true},
		{"other name", variation{Cert: certs.file("other")}, "", is[x509.HostnameError], true},
		{"TLS 1.2", variation{TLS12: true}, "", nil, false},
		{"no ALPN", variation{NoALPN: true}, "", nil, false},
	} {
		if c.site.ClientCA != "" && !s.knows("ClientCA") || c.site.NoALPN && !s.knows("NoALPN") {
			continue
		}
		r := start(t, s, c.site)
		for _, hand := range []bool{true, false} {
			tr := r.transport(t, proto, hand)
			if c.client != "" {
				pair := certs.pair(t, c.client)
				// Certificates would not be sent to a server that names other authorities.
				tr.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			for _, o := range senderOf(hand)(tr, manner{}, r.jobs(proto, 20)) {
				switch {
				case c.want == nil:
					if o.right() != nil {
						t.Errorf("%s, by hand %v: %v", c.name, hand, o.right())
					}
				case o.err == nil && (o.status < 400 || c.unsent):
					t.Errorf("%s, by hand %v: status %d", c.name, hand, o.status)
				case o.err != nil && !hand && (!c.want(o.err) || c.unsent && !errors.Is(o.err, pending.ErrNotSent)):
					t.Errorf("%s: the wrong kind of error: %v", c.name, o.err)
				case errors.Is(o.err, pending.ErrNotSent) && r.backend.times(o.id) > 0:
					t.Errorf("%s: request %d came to the backend, and its error is %v", c.name, o.id, o.err)
				}
				if o.id == 1 {
					t.Logf("%s, by hand %v: HTTP/%d, status %d, %v", c.name, hand, o.proto, o.status, o.err)
				}
			}
			tr.CloseIdleConnections()
		}
		r.stop()
	}
	return result{}
}

// refused reports whether err is how a server refuses a client's certificate:
// an alert of TLS, or a closed connection. (Some answer with a status.)
func refused(err error) bool {
	return strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), http.StatusText(http.StatusBadRequest)) || lost(err)
}

// is reports whether err is a T.
func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}
