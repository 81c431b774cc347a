package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path"
	"sync/atomic"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// The answers of the services.
type (
	price struct {
		Cents cents `json:"cents"`
		Stock int   `json:"stock"`
	}
	review struct {
		Stars int    `json:"stars"`
		By    string `json:"by"`
		Text  string `json:"text"`
	}
)

// answers has the answers, by service and product.
//
//go:embed services.json
var answers []byte

// A service answers GET /{id} from its answers.
type service struct {
	answers map[string]json.RawMessage
	takes   time.Duration
	late    string // product for which it answers too late for any page
	nth     int64  // each nth answer is a failure; 0 means none
	asked   atomic.Int64
}

// services returns the services of the shop, by name.
func services() map[string]*http.Server {
	var known map[string]map[string]json.RawMessage
	if err := json.Unmarshal(answers, &known); err != nil {
		panic(err) // the file is part of the program
	}
	return map[string]*http.Server{
		"price":           {Handler: &service{answers: known["price"], takes: 40 * time.Millisecond}},
		"reviews":         {Handler: &service{answers: known["reviews"], takes: 160 * time.Millisecond, late: "3"}},
		"recommendations": {Handler: &service{answers: known["recommendations"], takes: 120 * time.Millisecond, nth: 3}},
	}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, takes := path.Base(r.URL.Path), s.takes
	if id == s.late {
		takes = 10 * patience
	}
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return // nobody is waiting
	}
	answer, ok := s.answers[id]
	switch {
	case s.nth > 0 && s.asked.Add(1)%s.nth == 0:
		http.Error(w, "out of ideas", http.StatusServiceUnavailable)
	case !ok:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	}
}

// start starts the services on loopback. The client that it returns reaches
// them by name, as in a cluster: http://price/7.
func start(services map[string]*http.Server) (_ *http.Client, stop func(), _ error) {
	at := make(map[string]string) // addresses of the services, by the address dialed: "price:80"
	transport := client.NewTransport()
	transport.Proxy = nil // a proxy would not know these names
	transport.DialContext = parallel.DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at[addr])
	})
	stop = func() {
		transport.CloseIdleConnections()
		for _, srv := range services {
			srv.Close()
		}
	}
	for name, srv := range services {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("the service %s: %w", name, err)
		}
		at[name+":80"] = l.Addr().String()
		go srv.Serve(l)
	}
	return &http.Client{Transport: transport}, stop, nil
}
