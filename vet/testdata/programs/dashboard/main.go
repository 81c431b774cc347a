// Dashboard serves a page of what five services know about a user.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type user struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type page struct {
	User       user
	Cart       []string
	Offers     []string
	Friends    int
	Weather    string
	Delivery   time.Time
	Incomplete bool
}

type server struct {
	api     client.Client
	weather client.Client
}

func (s *server) dashboard(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	id := url.PathEscape(r.PathValue("id"))
	var pg page
	err := s.api.Parallel(ctx, func(p *parallel.Parallel) error {
		u := p.Get("/users/" + id)
		cart := p.Get("/carts/" + id)
		offers := p.Get("/offers?user=" + id)
		friends := p.Get("/friends/" + id)

		// Somebody looked at the page.
		p.Post("/audit", parallel.JSON(map[string]string{"viewed": id})) // want `nothing waits for this POST`

		delivery := p.Go(func(q *parallel.Parallel) (*http.Response, error) {
			zone, err := p.Get("/zones/" + id).Bytes() // want `p.Get belongs to the outer block`
			if err != nil {
				return nil, err
			}
			return q.Get("/delivery/" + url.PathEscape(string(zone))).Response()
		})

		if err := u.JSON(&pg.User); err != nil {
			return fmt.Errorf("user: %w", err)
		}
		cart.JSON(&pg.Cart) // want `the error of Pending.JSON is ignored`
		if err := offers.JSON(&pg.Offers); err != nil {
			pg.Incomplete = true
		}
		body, _ := friends.Bytes() // want `the error of Pending.Bytes is ignored`
		json.Unmarshal(body, &pg.Friends)
		if err := delivery.JSON(&pg.Delivery); err != nil {
			pg.Incomplete = true
		}

		// The weather is another service, with its own client.
		return s.weather.Parallel(p.Context(), func(wp *parallel.Parallel) error {
			resp, err := wp.Get("/today?user=" + id).Response()
			if err != nil {
				pg.Weather = "unknown"
				return nil
			}
			return json.NewDecoder(resp.Body).Decode(&pg.Weather) // missed: the page of a 500 is decoded as well
		})
	})
	var status *pending.StatusError
	switch {
	case errors.As(err, &status) && status.Response.StatusCode == http.StatusNotFound:
		http.NotFound(w, r)
		return
	case err != nil:
		log.Print(err)
		http.Error(w, "try again", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(pg)
}

// warm asks for the pages that everybody wants, so that they are in the cache.
func (s *server) warm(ctx context.Context) error {
	return s.api.Parallel(ctx, func(p *parallel.Parallel) error {
		for _, path := range []string{"/offers", "/zones", "/news"} {
			p.Get(path) // want `the result of Parallel.Get is never asked for`
		}
		return nil
	})
}

func main() {
	s := &server{
		api:     client.Client{BaseURL: os.Getenv("API_URL"), Limit: 50},
		weather: client.Client{BaseURL: os.Getenv("WEATHER_URL"), Timeout: 200 * time.Millisecond},
	}
	if err := s.warm(context.Background()); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", s.dashboard)
	log.Fatal(http.ListenAndServe(":8080", mux))
}
