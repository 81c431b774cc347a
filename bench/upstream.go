package main

import (
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// addresses has the URLs of an upstream. The upstream prints them when it
// listens.
type addresses struct {
	Plain string `json:"plain"` // http://...
	TLS   string `json:"tls"`   // https://..., with HTTP/2
}

// counts has what an upstream counted. The upstream prints them and exits when
// its standard input ends.
type counts struct {
	Connections int64 `json:"connections"`
	Requests    int64 `json:"requests"`
}

// serve has the role of the upstream. It responds to /b?size=N immediately, and
// to /d?ms=M&size=N after M milliseconds.
func serve(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("upstream", flag.ContinueOnError)
	certificate := flags.String("certificate", "", "write the certificate to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var opened, requests atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/b", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.Copy(io.Discard, r.Body)
		answer(w, r)
	})
	mux.HandleFunc("GET /d", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		ms, err := strconv.Atoi(r.FormValue("ms"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			answer(w, r)
		case <-r.Context().Done():
		}
	})
	server := func() *httptest.Server {
		s := httptest.NewUnstartedServer(mux)
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // contenders may give up dials
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		return s
	}
	plain, secure := server(), server()
	secure.EnableHTTP2 = true
	plain.Start()
	secure.StartTLS()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(*certificate, cert, 0o600); err != nil {
		return err
	}
	tell := json.NewEncoder(out)
	if err := tell.Encode(addresses{Plain: plain.URL, TLS: secure.URL}); err != nil {
		return err
	}
	io.Copy(io.Discard, in)
	return tell.Encode(counts{Connections: opened.Load(), Requests: requests.Load()})
}

// largest returns the largest body. An upstream serves all bodies from it.
var largest = sync.OnceValue(func() []byte { return content(4 * mib) })

// answer sends a body of the requested size.
func answer(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.FormValue("size"))
	if err != nil || size < 0 || size > len(largest()) {
		http.Error(w, "size: 0 to "+strconv.Itoa(len(largest())), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.Write(largest()[:size])
}

// content returns a body. Each part of it is recognizable, so that a part in
// the wrong place is noticed.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}
