package recipes_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A stranger's URL leads to a server that only this machine can reach.
func ExamplePublicOnly() {
	internal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the internal server was asked")
	}))
	defer internal.Close()

	c := client.Client{HTTP: &http.Client{Transport: recipes.PublicOnly(net.Dialer{})}}
	err := c.Parallel(context.Background(), func(p *parallel.Parallel) error {
		_, err := p.Get(internal.URL).Response()
		fmt.Println("not sent:", errors.Is(err, pending.ErrNotSent))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// not sent: true
}

// A URL that leads to a private address in any way reaches nobody there.
func TestPublicOnly_privateNotDialed(t *testing.T) {
	var asked atomic.Bool
	internal := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer internal.Close()
	_, port, err := net.SplitHostPort(internal.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const refusal = "127.0.0.1 is not a public address"
	for name, tc := range map[string]struct {
		url   string
		names dns
	}{
		"by its address":         {internal.URL, nil},
		"as IPv4 in IPv6":        {"http://[::ffff:127.0.0.1]:" + port, nil},
		"by a name":              {"http://private.example:" + port, dns{"127.0.0.1"}},
		"by a name that changes": {"http://rebinds.example:" + port, dns{"93.184.215.14", "127.0.0.1"}},
		"by a redirect":          {"http://public.example/", nil},
	} {
		t.Run(name, func(t *testing.T) {
			transport := recipes.PublicOnly(net.Dialer{
				Resolver:       tc.names.resolver(),
				LocalAddr:      &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},                                    // from where nothing leaves this machine
				ControlContext: func(context.Context, string, string, syscall.RawConn) error { return nil }, // it would go before Control
			})
			defer transport.CloseIdleConnections()
			if transport.Proxy != nil {
				t.Error("a proxy would dial in place of the transport")
			}
			c := client.Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "public.example" {
					return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {internal.URL}}, Body: http.NoBody}, nil
				}
				return transport.RoundTrip(r)
			})}}
			get := func() (err error) {
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					_, err = p.Get(tc.url).Response()
					return nil
				})
				return err
			}
			if len(tc.names) > 1 { // public at first
				if err := get(); err == nil || strings.Contains(err.Error(), refusal) {
					t.Errorf("at first: %v; want it dialed, in vain", err)
				}
			}
			if err := get(); err == nil || !strings.Contains(err.Error(), refusal) || asked.Swap(false) {
				t.Errorf("%v; want it refused, and nobody asked", err)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A dns is a server that has these addresses for any name: the first lookup
// gets the first address, the next one the second, and the last is repeated. It
// is asked over TCP, since a net.Pipe has no packets.
type dns []string

func (d *dns) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for d.answer(server) == nil {
			}
		}()
		return client, nil
	}}
}

// answer answers one query, in the framing of RFC 1035, section 4.2.2.
func (d *dns) answer(conn io.ReadWriter) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr((*d)[0]).As4()},
		}}
		if len(*d) > 1 {
			*d = (*d)[1:]
		}
	}
	answer, err := m.AppendPack(make([]byte, 2))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(answer, uint16(len(answer)-2))
	_, err = conn.Write(answer)
	return err
}
