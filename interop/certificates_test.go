//go:build linux

package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A folder of certificates, each in a file with its key. All but self.pem and
// stranger.pem are signed by ca.pem.
//
//	good, client    for 127.0.0.1 and localhost
//	expired, other  for a time that is over, for another name
//	self            signed by itself
//	stranger        a client certificate of another authority
type certFolder struct {
	dir  string
	pool *x509.CertPool // has the authority
}

var certsOnce struct {
	sync.Once
	certFolder
}

// certificates returns the folder of certificates. TestMain removes it.
func certificates(t *testing.T) *certFolder {
	t.Helper()
	certsOnce.Do(func() {
		dir, err := os.MkdirTemp("", "interop-certificates-")
		if err != nil {
			t.Fatal(err)
		}
		os.Chmod(dir, 0o755)
		f := &certsOnce.certFolder
		f.dir, f.pool = dir, x509.NewCertPool()
		year := 365 * 24 * time.Hour
		authority := f.issue(t, "ca", nil, nil, year)
		f.pool.AddCert(authority.Leaf)
		here := []string{"localhost"}
		f.issue(t, "good", authority, here, year)
		f.issue(t, "client", authority, here, year)
		f.issue(t, "expired", authority, here, -time.Hour)
		f.issue(t, "other", authority, []string{"other.example"}, year)
		f.issue(t, "self", nil, here, year)
		f.issue(t, "stranger", nil, here, year)
	})
	return &certsOnce.certFolder
}

// file returns the name of the file that has a certificate and its key.
func (f *certFolder) file(name string) string { return filepath.Join(f.dir, name+".pem") }

// pair returns a certificate with its key.
func (f *certFolder) pair(t *testing.T, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(f.file(name), f.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue writes a certificate for names, valid for the given time from now. If
// by is nil, it is signed by itself. A certificate without names is an
// authority.
func (f *certFolder) issue(t *testing.T, file string, by *tls.Certificate, names []string, valid time.Duration) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: file},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              time.Now().Add(valid),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
	}
	if len(names) == 0 {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	} else if names[0] == "localhost" {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	parent, signer := c, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := os.WriteFile(f.file(file), b.Bytes(), 0o644); err != nil { // some servers change their user
		t.Fatal(err)
	}
	pair := f.pair(t, file)
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	return &pair
}
