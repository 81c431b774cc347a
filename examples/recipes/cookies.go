package recipes

import (
	"net/http"
	"net/http/cookiejar"

	"golang.org/x/net/publicsuffix"

	"github.com/abreast-go/abreast/client"
)

// NewSession is a client that keeps cookies, of one user with one service: whoever shares
// it is logged in with it. The list of public suffixes is what keeps bank.co.uk's cookies
// from what any other .co.uk sets for all of them; a jar has none by itself.
//
// A jar goes by host names, and sends to every port. The requests that log in come before
// the block's others: those that are in flight already go without. Of two responses that set
// the same cookie, the one that comes last wins.
func NewSession(baseURL string) (*client.Client, error) {
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		return nil, err
	}
	return &client.Client{BaseURL: baseURL, HTTP: &http.Client{Jar: jar}}, nil
}
