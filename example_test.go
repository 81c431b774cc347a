package abreast_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// Two requests side by side, each asked for its response.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s", r.URL.Path)
	}))
	defer srv.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		user, cart := p.Get(srv.URL+"/user/7"), p.Get(srv.URL+"/cart/7")
		u, err := user.Bytes()
		if err != nil {
			return err
		}
		c, err := cart.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n%s\n", u, c)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// this is /user/7
	// this is /cart/7
}
