package recipes

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// PublicOnly returns a transport that connects only to the public Internet. It
// is for Client.HTTP.Transport, to fetch URLs from strangers. The dialer calls
// Control for each connection, after the name lookup. So neither a redirect nor
// a name that changes its address reaches a private address.
func PublicOnly(dialer net.Dialer) *http.Transport {
	dialer.Control, dialer.ControlContext = publicOnly, nil // ControlContext would win
	t := client.NewTransport()
	t.Proxy = nil // a proxy would dial instead
	t.DialContext = parallel.DialContext(dialer.DialContext)
	return t
}

// publicOnly refuses addresses that are not public. It is a Control of
// net.Dialer.
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
		return fmt.Errorf("%v is not a public address", addr)
	}
	return nil
}

// Of IPv6, only the range assigned to the Internet is public, without the parts
// that embed an IPv4 address for a gateway.
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
