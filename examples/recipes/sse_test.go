package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/examples/recipes"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// Two models answer side by side. When one has finished, the other is canceled.
func ExampleEvents() {
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, word := range []string{"Forty", "-two", "."} {
			fmt.Fprintf(w, "data: %s\n\n", word)
			w.(http.Flusher).Flush()
			if r.URL.Path == "/slow" {
				<-r.Context().Done()
				return
			}
		}
	}))
	defer models.Close()

	err := client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		answers := make(map[*pending.Pending]*strings.Builder)
		for _, model := range []string{"/slow", "/quick"} {
			answer := new(strings.Builder)
			h := p.Post(models.URL+model, parallel.JSON("What is the answer?"), recipes.Events(func(e recipes.Event) error {
				answer.WriteString(e.Data)
				return nil
			}), parallel.Timeout(-1), parallel.Stall(time.Minute))
			answers[h] = answer
		}
		for h := range p.Arrivals() {
			if _, err := h.Bytes(); err != nil {
				return err
			}
			fmt.Println(h.Request().URL.Path, answers[h])
			return nil // cancels the other
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /quick Forty-two.
}

// streamed returns the events of a stream that is written in pieces of n bytes,
// and the error of its handle.
func streamed(t *testing.T, stream string, n int) (got []recipes.Event, err error) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			for rest := stream; rest != ""; {
				piece := rest[:min(n, len(rest))]
				rest = rest[len(piece):]
				io.WriteString(w, piece)
				if w.(interface{ FlushError() error }).FlushError() != nil {
					return
				}
			}
		}))
		c := client.Client{HTTP: s.Client()}
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			_, err = p.Get("http://h/", recipes.Events(func(e recipes.Event) error { got = append(got, e); return nil })).Bytes()
			return nil
		})
	})
	return got, err
}

// The rules of the HTML standard, section 9.2.6, in pieces of every size.
func TestEvents_parsing(t *testing.T) {
	type events = []recipes.Event
	message := func(data string) recipes.Event { return recipes.Event{Type: "message", Data: data} }
	for name, test := range map[string]struct {
		stream string
		want   events
	}{
		"the standard's stocks":    {"data: YHOO\ndata: +2\ndata: 10\n\n", events{message("YHOO\n+2\n10")}},
		"the standard's ids":       {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", events{{"message", "first event", "1", 0}, message("second event"), message(" third event")}},
		"the standard's empty":     {"data\n\ndata\ndata\n\ndata:\n", events{message(""), message("\n")}},
		"a space after the colon":  {"data:test\n\ndata: test\n\n", events{message("test"), message("test")}},
		"a type":                   {"event: add\ndata: 1\n\ndata: 2\n\n", events{{Type: "add", Data: "1"}, message("2")}},
		"a type without data":      {"event: add\n\ndata: 2\n\n", events{message("2")}},
		"an id stays":              {"id: a\ndata: 1\n\ndata: 2\n\n", events{{"message", "1", "a", 0}, {"message", "2", "a", 0}}},
		"an id without data":       {"id: a\n\ndata: 1\n\n", events{{"message", "1", "a", 0}}},
		"an id with NUL":           {"id: a\nid: b\x00\ndata: 1\n\n", events{{"message", "1", "a", 0}}},
		"retry":                    {"retry: 1500\ndata: 1\n\nretry: 2s\nretry: -1\nretry: 99999999999\nretry: +5\ndata: 2\n\n", events{{"message", "1", "", 1500 * time.Millisecond}, {"message", "2", "", 1500 * time.Millisecond}}},
		"comments":                 {":\n: data: no\ndata: 1\n:\n\n:data: no\n\n", events{message("1")}},
		"unknown fields":           {"Data: no\ndata : no\n data: no\nfoo\ndata: 1\n\n", events{message("1")}},
		"a colon in a value":       {"data: a: b\n\n", events{message("a: b")}},
		"CRLF":                     {"data: 1\r\ndata: 2\r\n\r\ndata: 3\r\n\r\n", events{message("1\n2"), message("3")}},
		"CR":                       {"data: 1\rdata: 2\r\rdata: 3\r\r", events{message("1\n2"), message("3")}},
		"all line ends":            {"data: 1\r\ndata: 2\ndata: 3\r\n\ndata: 4\n\r\n", events{message("1\n2\n3"), message("4")}},
		"a byte order mark":        {"\ufeffdata: 1\n\n\ufeffdata: 2\n\n", events{message("1")}},
		"only a byte order mark":   {"\ufeff\ndata: 1\n\n", events{message("1")}},
		"characters":               {"data: grüße 世界 🎉\n\n", events{message("grüße 世界 🎉")}},
		"bytes that are not UTF-8": {"data: a\xffb\n\n", events{message("a\ufffdb")}},
		"an event that breaks off": {"data: 1\n\ndata: 2\n", events{message("1")}},
		"a line that breaks off":   {"data: 1\n\ndata: 2", events{message("1")}},
		"nothing":                  {"", nil},
	} {
		for _, n := range []int{1, 2, 3, 7, 1000} {
			got, err := streamed(t, test.stream, n)
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%s, in pieces of %d: Bytes() error = %v, events (-want +got):\n%s", name, n, err, diff)
			}
		}
	}
}

// A line, or the lines of an event, that do not end are not kept.
func TestEvents_bound(t *testing.T) {
	const most = 1 << 20
	for name, test := range map[string]struct {
		stream string
		ok     bool
	}{
		"a line":           {"data: " + strings.Repeat("x", most), false},
		"a comment":        {":" + strings.Repeat("x", most), false},
		"lines":            {strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 1100), false},
		"a long event":     {"data: " + strings.Repeat("x", most-100) + "\n\n", true},
		"many long events": {strings.Repeat("data: "+strings.Repeat("x", most/2)+"\n\n", 4), true},
	} {
		if _, err := streamed(t, test.stream, 1<<16); (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "longer than 1048576 bytes") {
			t.Errorf("%s: Bytes() error = %v", name, err)
		}
	}
}

// A response that is not a stream, and an error of the function that is called
// with the events.
func TestEvents_refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{BaseURL: "http://h", HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			switch r.URL.Path {
			case "/json":
				w.Header().Set("Content-Type", "application/json")
			case "/busy":
				w.WriteHeader(http.StatusTooManyRequests)
			}
			for r.Context().Err() == nil && r.URL.Path != "/busy" {
				io.WriteString(w, "data: 1\n\n")
			}
			io.WriteString(w, "try later")
		})).Client()}
		errUser := errors.New("enough")
		c.Parallel(t.Context(), func(p *parallel.Parallel) error {
			events := recipes.Events(func(recipes.Event) error { return errUser })
			if _, err := p.Get("/stream", events).Bytes(); !errors.Is(err, errUser) {
				t.Errorf("Bytes() error = %v, want the function's", err)
			}
			if _, err := p.Get("/json", events).Bytes(); err == nil || !strings.Contains(err.Error(), `not an event stream: the Content-Type is "application/json"`) {
				t.Errorf("Bytes() error = %v for JSON", err)
			}
			var status *pending.StatusError
			if _, err := p.Get("/busy", events).Bytes(); !errors.As(err, &status) || string(status.Bytes()) != "try later" {
				t.Errorf("Bytes() error = %v for a 429", err)
			}
			return nil
		})
	})
}
