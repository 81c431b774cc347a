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

// PublicOnly is a transport that connects to the public Internet only, for URLs that
// strangers give: for Client.HTTP.Transport. The dialer's Control is asked about each
// connection, when the name has become an address: no redirect gets by, and no name
// that has another address the second time it is looked up.
func PublicOnly(dialer net.Dialer) *http.Transport {
	dialer.Control, dialer.ControlContext = publicOnly, nil // which would win
	t := client.NewTransport()
	t.Proxy = nil // it would dial in our place
	t.DialContext = parallel.DialContext(dialer.DialContext)
	return t
}

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

// Of IPv6, public is what is assigned for it, without what has an IPv4 address in it for a
// gateway to take out.
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
