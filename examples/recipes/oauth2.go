package recipes

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// ClientCredentials holds a token of OAuth 2.0's client credentials grant. Its
// method Auth is for Client.Auth, which sends the token to one origin and not
// along redirects to others.
type ClientCredentials struct {
	config *clientcredentials.Config
	client any                // with which oauth2 fetches tokens; nil: http.DefaultClient
	token  chan *oauth2.Token // has room for one; whoever received the token may renew it
}

// NewClientCredentials fetches the first token. Call it before the block, so
// that wrong credentials are one error instead of one for each request. Like
// the rest of oauth2, it uses the *http.Client that ctx has under
// oauth2.HTTPClient.
func NewClientCredentials(ctx context.Context, config *clientcredentials.Config) (*ClientCredentials, error) {
	token, err := config.Token(ctx)
	if err != nil {
		return nil, err
	}
	c := &ClientCredentials{config, ctx.Value(oauth2.HTTPClient), make(chan *oauth2.Token, 1)}
	c.token <- token
	return c, nil
}

// Auth adds the token to r. When the token has expired, one request renews it,
// within its Timeout, and the others wait. (The token sources of oauth2 fetch
// with the context that they were made with, not that of the request, so the
// end of the block would wait for them.)
func (c *ClientCredentials) Auth(r *http.Request) error {
	var token *oauth2.Token
	select {
	case token = <-c.token:
	case <-r.Context().Done():
		return r.Context().Err()
	}
	defer func() { c.token <- token }()
	if !token.Valid() {
		fresh, err := c.config.Token(context.WithValue(r.Context(), oauth2.HTTPClient, c.client))
		if err != nil {
			return err
		}
		token = fresh
	}
	token.SetAuthHeader(r)
	return nil
}
