package conns

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/internal/stall"
)

// countingTrace returns a trace that counts the calls of each hook by its name.
func countingTrace(calls map[string]int) *httptrace.ClientTrace {
	trace := new(httptrace.ClientTrace)
	hooks := reflect.ValueOf(trace).Elem()
	for i := range hooks.NumField() {
		field := hooks.Type().Field(i)
		hooks.Field(i).Set(reflect.MakeFunc(field.Type, func([]reflect.Value) (results []reflect.Value) {
			calls[field.Name]++
			for i := range field.Type.NumOut() {
				results = append(results, reflect.Zero(field.Type.Out(i)))
			}
			return results
		}))
	}
	return trace
}

// A trace that is set already sees each event once, whether or not a Conns
// watches for it as well.
func TestWatch_callsHooksOfContext(t *testing.T) {
	clock := stall.Start(time.Hour, func() {})
	defer clock.Stop()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, clock := range []*stall.Clock{nil, clock} {
			got, want := make(map[string]int), make(map[string]int)
			ctx := httptrace.WithClientTrace(context.Background(), countingTrace(got))
			c := New(request{t})
			begin(ctx, c, 0)
			c.Clock = clock
			c.Watch(method, "http", nil, httptrace.ContextClientTrace(ctx))
			hooks := reflect.ValueOf(httptrace.ContextClientTrace(c)).Elem()
			for i := range hooks.NumField() {
				field := hooks.Type().Field(i)
				want[field.Name] = 1
				var args []reflect.Value
				for i := range field.Type.NumIn() {
					args = append(args, reflect.Zero(field.Type.In(i)))
				}
				hooks.Field(i).Call(args)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, Stall %v: calls of each hook (-want +got):\n%s", method, clock != nil, diff)
			}
			if !c.got || !c.wrote || c.opening.started != 1 || c.opening.finished != 1 {
				t.Errorf("%s: the Conns missed one of its own hooks: %+v", method, c.opening)
			}
		}
	}
}
