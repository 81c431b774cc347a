package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// greeting is the body of every response.
const greeting = "hello"

// A server is all hosts: it listens on every address of this machine, with TLS
// and without.
type server struct {
	http.Server
	plain, secure net.Listener

	connections atomic.Int64 // accepted
	open        atomic.Int64
	most        atomic.Int64 // open at once
}

// serve starts a server, and writes the certificate of the authority that it
// has its certificates from to a file.
func serve(authority string) (*server, error) {
	s := new(server)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, greeting) })
	s.ErrorLog = log.New(io.Discard, "", 0) // clients may give up dials
	s.ConnState = s.count
	var err error
	if s.TLSConfig, err = certificates(authority); err != nil {
		return nil, err
	}
	for _, l := range []*net.Listener{&s.plain, &s.secure} {
		if *l, err = net.Listen("tcp4", "0.0.0.0:0"); err != nil {
			return nil, err
		}
	}
	go s.Serve(s.plain)
	go s.ServeTLS(s.secure, "", "")
	return s, nil
}

// port returns the port for a scheme.
func (s *server) port(scheme string) int {
	l := s.plain
	if scheme == "https" {
		l = s.secure
	}
	return l.Addr().(*net.TCPAddr).Port
}

// count counts connections.
func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connections.Add(1)
		open := s.open.Add(1)
		for most := s.most.Load(); open > most && !s.most.CompareAndSwap(most, open); most = s.most.Load() {
		}
	case http.StateClosed:
		s.open.Add(-1)
	}
}

// certificates returns a configuration that makes the certificate of each host
// as a client connects to it. It writes the certificate of the authority that
// signs them to a file.
func certificates(authority string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "10,000 hosts"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	config := &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		host := &x509.Certificate{
			SerialNumber: big.NewInt(2), NotAfter: ca.NotAfter,
			IPAddresses: []net.IP{hello.Conn.LocalAddr().(*net.TCPAddr).IP},
		}
		der, err := x509.CreateCertificate(rand.Reader, host, ca, &key.PublicKey, key)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}
	return config, nil
}
