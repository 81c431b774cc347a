package client_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A dialer's Control is called at each hop: it can refuse a redirect to a
// private address. The first hop has been sent by then.
func TestRedirect_toPrivateAddressRefused(t *testing.T) {
	asked := false
	internal := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer internal.Close()
	public := httptest.NewServer(http.RedirectHandler(internal.URL, http.StatusFound))
	defer public.Close()

	// The first server stands for one with a public address.
	errPrivate := errors.New("a private address")
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if "http://"+address != public.URL {
			return errPrivate
		}
		return nil
	}}
	transport := client.NewTransport()
	defer transport.CloseIdleConnections()
	transport.DialContext = parallel.DialContext(dialer.DialContext)
	_, err := get(t, client.Client{HTTP: &http.Client{Transport: transport}}, public.URL)
	if !errors.Is(err, errPrivate) || errors.Is(err, pending.ErrNotSent) || asked {
		t.Errorf("a redirect to a private address: %v (ErrNotSent: %v, asked: %v); want %v, false, false",
			err, errors.Is(err, pending.ErrNotSent), asked, errPrivate)
	}
}
