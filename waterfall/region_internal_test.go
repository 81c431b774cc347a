package waterfall

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/trace"
	"testing"
	"testing/synctest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

// While an execution trace is being taken, each block has a task, from its
// first request until its last one is done, and each request has a region.
func TestTask_perBlock(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer srv.Close()
	var rec Recorder
	c := client.Client{BaseURL: srv.URL, Observe: rec.Observe}
	tasks := func(want int) {
		t.Helper()
		rec.mu.Lock()
		defer rec.mu.Unlock()
		if len(rec.tasks) != want {
			t.Errorf("%d tasks are open, want %d", len(rec.tasks), want)
		}
	}
	run := func(open int) {
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			p.Get("/one").Bytes()
			p.Get("/two").Bytes()
			tasks(open)
			c.Parallel(p.Context(), func(p *parallel.Parallel) error {
				p.Get("/inner").Bytes()
				tasks(2 * open)
				return nil
			})
			p.Get("/last")
			return nil
		})
	}
	run(0)
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	run(1)
	trace.Stop()
	for _, want := range []string{"block", "request", "GET " + srv.URL + "/two: 200 OK", "/last: canceled by the end of the block"} {
		if !bytes.Contains(b.Bytes(), []byte(want)) {
			t.Errorf("%q is not in the trace", want)
		}
	}
}

// A task whose block has ended is forgotten. It ends with the last request.
func TestTask_endsWithLastRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec Recorder
		ctx, endBlock := context.WithCancel(t.Context())
		one, two := rec.region(ctx, "GET /1"), rec.region(ctx, "GET /2")
		block := rec.tasks[ctx.Done()]
		if block.open != 2 || block.ended {
			t.Errorf("the task is %+v", block)
		}
		endBlock()
		synctest.Wait()
		if !block.ended || block.open != 2 || len(rec.tasks) != 0 {
			t.Errorf("after the end of the block the task is %+v, one of %d", block, len(rec.tasks))
		}
		one("200 OK")
		two("200 OK")
		if block.open != 0 {
			t.Errorf("after its last request the task is %+v", block)
		}
	})
}
