package recipes

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// ClientCredentials has a token of OAuth 2.0's client credentials grant. Its Auth is for
// Client.Auth, which takes the token to one origin, and not to where that redirects.
type ClientCredentials struct {
	config *clientcredentials.Config
	client any                // what oauth2 fetches tokens with; nil: http.DefaultClient
	token  chan *oauth2.Token // one: who has it may renew it
}

// NewClientCredentials fetches the first token, before any block: so wrong credentials are
// one error, and not one of each request. Like all of oauth2 it uses the *http.Client that
// ctx has under oauth2.HTTPClient.
func NewClientCredentials(ctx context.Context, config *clientcredentials.Config) (*ClientCredentials, error) {
	token, err := config.Token(ctx)
	if err != nil {
		return nil, err
	}
	c := &ClientCredentials{config, ctx.Value(oauth2.HTTPClient), make(chan *oauth2.Token, 1)}
	c.token <- token
	return c, nil
}

// Auth puts the token on r. Once it has run out, one request renews it, within its Timeout,
// and the others wait. (The token sources of oauth2 fetch with the context that they were
// made with, whatever becomes of the request: leaving the block would wait for them.)
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
