package pending

import (
	"fmt"
	"net/http"
	"reflect"

	"github.com/abreast-go/abreast/internal/ask"
)

// As claims the handle, blocks until it is done, and returns its result as a T:
//
//	cost, err := pending.As[Price](p.Get("/prices/7"))
//
// For a request, and for a function that returned a response, it decodes the
// body from JSON, with the errors of [Pending.JSON]. As encoding/json does, it
// ignores fields that T does not have: a JSON object of another shape gives a T
// with zero fields and no error. As[[]byte] decodes JSON as well: for the bytes
// call [Pending.Bytes]. If T is *http.Response, As returns the response, and
// requires 2xx.
//
// For a function started with parallel.Go, it returns the function's value. T
// is the type of the value, or an interface that the value implements. A nil
// interface value becomes a nil T for any interface T. If the value is not a T,
// the error names both types. All callers share what the value points to.
//
// For a [Race], As returns the winner's result. The error of a Race without a
// winner joins the errors of the racers. The error of a request names its
// method and URL. The error of a function is unchanged: the function should
// name its work in it.
//
// Other errors are those of [Pending.Response]. With an error, the returned T
// is zero.
func As[T any](h *Pending) (T, error) {
	var v, zero T
	h = h.orNone()
	h.wait()
	if h.err != nil {
		return zero, h.err
	}
	if value, ok := ask.ValueOf(h.resp); ok {
		return valueAs[T](value)
	}
	if resp, ok := any(&v).(**http.Response); ok {
		if err := statusError(h); err != nil {
			return zero, err
		}
		*resp = readable(h.resp, h.body)
		return v, nil
	}
	if err := h.JSON(&v); err != nil {
		return zero, err // v may have been written to
	}
	return v, nil
}

// valueAs returns value as a T.
func valueAs[T any](value *ask.Value) (T, error) {
	v, ok := value.Any.(T)
	if !ok && (value.Any != nil || reflect.TypeFor[T]().Kind() != reflect.Interface) {
		return v, fmt.Errorf("the function returned %s, not %v", typeOf(value), reflect.TypeFor[T]())
	}
	return v, nil
}

// typeOf returns the type of a value, as errors name it.
func typeOf(value *ask.Value) string {
	if value.Any == nil {
		return fmt.Sprintf("a nil %v", value.Type)
	}
	return fmt.Sprintf("a value of type %T", value.Any)
}
