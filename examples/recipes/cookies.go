package recipes

import (
	"net/http"
	"net/http/cookiejar"

	"golang.org/x/net/publicsuffix"

	"github.com/abreast-go/abreast/client"
)

// NewSession returns a client that keeps the cookies of one user of one
// service. Everybody who shares the client is logged in as that user. The
// public suffix list prevents shop.co.uk from setting a cookie that is sent to
// bank.co.uk. A cookiejar.Jar has no list of its own.
//
// A jar goes by host name and sends a cookie to every port. Log in before you
// start other requests of the block: those in flight are sent without the
// cookie. If two responses set the same cookie, the last to arrive wins.
func NewSession(baseURL string) (*client.Client, error) {
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		return nil, err
	}
	return &client.Client{BaseURL: baseURL, HTTP: &http.Client{Jar: jar}}, nil
}
