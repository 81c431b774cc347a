// Package client holds the settings that the requests of a block share: where
// they go, with which credentials, over which transport, and within which
// limits.
//
//	api := client.Client{BaseURL: "https://api.example.com/v2", Limit: 20}
//	err := api.Parallel(ctx, func(p *parallel.Parallel) error {
//		user, cart := p.Get("/users/7"), p.Get("/carts/7")
//		...
//	})
//
// The zero [Client] is ready to use, with limits that suit most programs.
// [Parallel] opens a block with it. [Client.Parallel] says what happens when
// the block ends.
package client
