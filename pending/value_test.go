package pending_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

type price struct{ Cents int }

func (p price) String() string { return fmt.Sprint(p.Cents, " cents") }

// returning returns the handle of a function that returned v, in a block that
// has ended.
func returning[T any](v T) (h *pending.Pending) {
	client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		h = parallel.Go(p, func(*parallel.Parallel) (T, error) { return v, nil })
		<-h.Done()
		return nil
	})
	return h
}

// result returns what As returned, with the error as a text.
func result[T any](h *pending.Pending) any {
	v, err := pending.As[T](h)
	if err != nil {
		return fmt.Sprint(v, ", ", err)
	}
	return v
}

// Promise 30: As returns the value of a function if it is a T. If it is not,
// the error names both types.
func TestAs_value(t *testing.T) {
	const typed = "the function returned a value of type "
	for _, test := range []struct {
		name      string
		got, want any
	}{
		{"its own type", result[price](returning(price{7})), price{7}},
		{"interface", result[fmt.Stringer](returning(price{7})), price{7}},
		{"any", result[any](returning(price{7})), price{7}},
		{"type within an interface", result[price](returning[fmt.Stringer](price{7})), price{7}},
		{"another interface", result[any](returning[fmt.Stringer](price{7})), price{7}},
		{"zero", result[price](returning(price{})), price{}},
		{"nil pointer", result[*price](returning[*price](nil)), (*price)(nil)},
		{"nil pointer as an interface", result[fmt.Stringer](returning[*price](nil)), (*price)(nil)},
		{"nil slice", result[[]int](returning[[]int](nil)), []int(nil)},
		{"nil interface", result[fmt.Stringer](returning[fmt.Stringer](nil)), nil},
		{"nil interface as another", result[error](returning[fmt.Stringer](nil)), nil},
		{"another type", result[int](returning(price{7})), "0, " + typed + "pending_test.price, not int"},
		{"pointer", result[*price](returning(price{7})), "<nil>, " + typed + "pending_test.price, not *pending_test.price"},
		{"missing method", result[error](returning(price{7})), "<nil>, " + typed + "pending_test.price, not error"},
		{"nil interface as a struct", result[price](returning[fmt.Stringer](nil)), "0 cents, the function returned a nil fmt.Stringer, not pending_test.price"},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// Promise 30: As decodes the body of a request, with the errors of JSON. The
// value with an error is zero.
func TestAs_request(t *testing.T) {
	var b block
	failed := b.request("/")
	b.fail(failed, errBroken)
	for _, test := range []struct {
		name string
		h    *pending.Pending
		want price
	}{
		{"JSON", b.responded("/", 200, `{"Cents":7}`), price{7}},
		{"404", b.responded("/", 404, `{"Cents":7}`), price{}},
		{"no content", b.responded("/", 204, ""), price{}},
		{"broken off", b.responded("/", 200, `{"Cents":7`), price{}},
		{"of another type", b.responded("/", 200, `{"Cents":7,"Cents":"x"}`), price{}},
		{"failed", failed, price{}},
		{"nil", nil, price{}},
	} {
		got, err := pending.As[price](test.h)
		wantErr := test.h.JSON(new(price))
		if got != test.want || fmt.Sprint(err) != fmt.Sprint(wantErr) || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", wantErr) {
			t.Errorf("%s: As() = %v, %v; want %v, and the error of JSON: %v", test.name, got, err, test.want, wantErr)
		}
	}
}

// Promise 30: if the value is an *http.Response, the handle is that of a
// function started with Parallel.Go.
func TestAs_response(t *testing.T) {
	made := func(status int, body string) *http.Response {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
	}
	if got, err := pending.As[price](returning(made(200, `{"Cents":7}`))); got.Cents != 7 || err != nil {
		t.Errorf("As() of a response = %v, %v; want it decoded", got, err)
	}
	h := returning[any](made(200, "body"))
	wantBody(t, h, "body")
	resp, err := pending.As[*http.Response](h)
	if got := read(resp); got != "body" || err != nil {
		t.Errorf("As[*http.Response]() = a body of %q, %v; want the response", got, err)
	}
	resp, err = pending.As[*http.Response](returning(made(404, "body")))
	if se := new(pending.StatusError); resp != nil || !errors.As(err, &se) {
		t.Errorf("As[*http.Response]() of a 404 = %v, %v; want a *StatusError", resp, err)
	}
	if resp, err := returning[*http.Response](nil).Response(); err != nil || resp.StatusCode != 204 {
		t.Errorf("Response() of a nil response = %v, %v; want a 204", resp, err)
	}
}

// Promise 30: Response of a function with a value returns an empty 204, which
// does not lead to the value. Bytes returns no bytes, and JSON an error that
// names As.
func TestAs_otherMethods(t *testing.T) {
	h := returning(price{7})
	resp, err := h.Response()
	if err != nil || resp.Status != "204 No Content" || read(resp) != "" || resp.Header == nil {
		t.Errorf("Response() = %v, %v; want an empty 204", resp, err)
	}
	if _, ok := ask.ValueOf(resp); ok {
		t.Error("Response() returned a response with the value")
	}
	if b, err := h.Bytes(); len(b) > 0 || err != nil {
		t.Errorf("Bytes() = %q, %v; want none", b, err)
	}
	const want = "no JSON: the function returned a value of type pending_test.price: use pending.As"
	if err := h.JSON(new(price)); err == nil || err.Error() != want {
		t.Errorf("JSON() = %v, want %s", err, want)
	}
	if h.Request() != nil {
		t.Error("Request() of a function returned a request")
	}
	if got := result[price](h); got != (price{7}) {
		t.Errorf("As() after the other methods = %v, want the value", got)
	}
}

// Promise 30: a Race may have requests and functions as racers. As reads the
// winner.
func TestAs_race(t *testing.T) {
	if got := result[price](pending.Race(returning(price{7}), nil)); got != (price{7}) {
		t.Errorf("As() of a Race with a value that was there = %v, want it", got)
	}
	for _, test := range []struct {
		name          string
		request, work string // how long they take
		fails         error  // of the function
		want          int
	}{
		{"the request wins", "/100ms", "200ms", nil, 1},
		{"the function wins", "/200ms", "100ms", nil, 2},
		{"the function fails", "/200ms", "100ms", errBroken, 1},
		{"the request fails", "/100ms?404", "200ms", nil, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client.Client{HTTP: testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					slow(discarding{w}, r)
					io.WriteString(w, `{"Cents":1}`)
				})).Client(), BaseURL: "http://h"}
				c.Parallel(t.Context(), func(p *parallel.Parallel) error {
					var canceled bool
					work := parallel.Go(p, func(p *parallel.Parallel) (price, error) {
						d, _ := time.ParseDuration(test.work)
						select {
						case <-time.After(d):
							return price{2}, test.fails
						case <-p.Context().Done():
							canceled = true
							return price{}, p.Context().Err()
						}
					})
					within := pending.Race(p.Get(test.request), work)
					got, err := pending.As[price](pending.Race(within))
					if got.Cents != test.want || err != nil {
						t.Errorf("As() = %v, %v; want %d cents", got, err, test.want)
					}
					if <-work.Done(); canceled != (test.want == 1 && test.fails == nil) {
						t.Errorf("the function was canceled: %v", canceled)
					}
					return nil
				})
			})
		})
	}
}

// discarding sends the status and discards the body.
type discarding struct{ http.ResponseWriter }

func (discarding) Write(b []byte) (int, error) { return len(b), nil }

// Promise 30: As claims the handle when it is called.
func TestAs_claims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client.Parallel(t.Context(), func(p *parallel.Parallel) error {
			h := parallel.Go(p, func(*parallel.Parallel) (int, error) {
				<-time.After(time.Second)
				return 7, nil
			})
			go pending.As[int](h)
			synctest.Wait()
			if p.HasPending() {
				t.Error("HasPending() = true while As waits")
			}
			if got := result[int](h); got != 7 {
				t.Errorf("As() = %v, want 7", got)
			}
			return nil
		})
	})
}
