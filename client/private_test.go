package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// publicOnly, a net.Dialer's Control, refuses all addresses but those of the public
// Internet. Of IPv6 these are what is assigned for it, without what has an IPv4 address in
// it for a gateway to take out.
func publicOnly(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	addr := to.Addr().Unmap()
	ok := addr.IsGlobalUnicast() && !addr.IsPrivate() && (addr.Is4() || public6.Contains(addr))
	for _, prefix := range notPublic {
		ok = ok && !prefix.Contains(addr)
	}
	if !ok {
		return fmt.Errorf("%v is no public address", addr)
	}
	return nil
}

var (
	public6   = netip.MustParsePrefix("2000::/3")
	notPublic = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),     // this host
		netip.MustParsePrefix("100.64.0.0/10"), // shared: carriers, and some clouds' own services
		netip.MustParsePrefix("192.0.0.0/24"),  // for protocols
		netip.MustParsePrefix("198.18.0.0/15"), // for measurements
		netip.MustParsePrefix("240.0.0.0/4"),   // for later
		netip.MustParsePrefix("2001::/23"),     // for protocols: Teredo
		netip.MustParsePrefix("2002::/16"),     // 6to4
	}
)

// A program that fetches URLs that strangers give it must not fetch what only it can
// reach. Control is asked about each connection, when the name has become an address:
// so no redirect and no name that changes its address gets by.
func ExampleNewTransport_publicAddressesOnly() {
	internal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the internal server was asked")
	}))
	defer internal.Close()

	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: publicOnly} // see above
	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	transport.Proxy = nil // a proxy would dial in its place
	transport.DialContext = parallel.DialContext(dialer.DialContext)

	c := client.Client{HTTP: &http.Client{Transport: transport}}
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
