package ask

import (
	"io"
	"net/http"
	"reflect"
)

// A Value is what a function started with Go returned in place of a response.
//
// An empty 204 stands for it, and has it as its Body. Otherwise the Body of the
// response in an Answer is not used. So the handle of a request needs no room
// for a value, and a Race passes the value on with the response.
type Value struct {
	io.ReadCloser // nil: the value is not read

	Any  any
	Type reflect.Type // with which the function returns it; perhaps an interface
}

// ValueOf returns the Value that the response of an Answer stands for, if it
// stands for one.
func ValueOf(resp *http.Response) (v *Value, ok bool) {
	v, ok = resp.Body.(*Value)
	return v, ok
}

// Answer returns the Answer that holds v.
func (v *Value) Answer() Answer {
	resp := NoContent()
	resp.Body = v
	return Answer{Response: resp}
}

// NoContent returns an empty 204, which stands for a function that returned no
// response.
func NoContent() *http.Response {
	return &http.Response{
		Status: "204 No Content", StatusCode: http.StatusNoContent,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header),
	}
}
