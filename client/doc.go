// Package client is what the requests of a block share: where they go, who they
// come from, how they are dispatched, and within which limits.
//
//	api := client.Client{BaseURL: "https://api.example.com/v2", Limit: 20}
//	err := api.Parallel(ctx, func(p *parallel.Parallel) error {
//		user, cart := p.Get("/users/7"), p.Get("/carts/7")
//		...
//	})
//
// The zero [Client] is ready to use and has limits that suit most programs;
// [Parallel] is that of a zero Client.
package client
