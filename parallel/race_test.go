package parallel_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// The winner gave its slot back before its Race was decided. A loser that was
// queued in a block of Go got the slot, and could be sent.
func TestRace_loserDoesntGetTheSlot(t *testing.T) {
	for _, nested := range []bool{false, true} {
		hold := make(chan struct{})
		outcomes := make(chan pending.Outcome, 2) // of the losers
		losers := 0
		cfg := parallel.Config{
			Limit: 1,
			Send: func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/winner" {
					<-hold
				}
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
			},
			Observe: func(r *http.Request) (context.Context, func(pending.Outcome)) {
				if r.URL.Path == "/winner" {
					return nil, nil
				}
				return nil, func(o pending.Outcome) { outcomes <- o }
			},
		}
		parallel.Run(t.Context(), cfg, func(p *parallel.Parallel) error {
			winner := p.Get("http://h/winner")
			raced := make(chan *pending.Pending)
			p.Go(func(in *parallel.Parallel) (*http.Response, error) {
				loser := in.Post("http://h/loser")
				losers++
				if nested {
					loser = pending.Race(loser, in.Post("http://h/loser"))
					losers++
				}
				raced <- pending.Race(winner, loser)
				<-in.Context().Done()
				return nil, nil
			})
			h := <-raced
			close(hold)
			_, err := h.Response()
			return err
		})
		for range losers {
			if o := <-outcomes; !o.Sent.IsZero() {
				t.Errorf("nested = %t: a loser got the slot; its error is %v", nested, o.Err)
			}
		}
	}
}
