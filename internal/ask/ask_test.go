package ask_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/abreast-go/abreast/internal/ask"
)

func TestName(t *testing.T) {
	withPassword := &url.URL{Scheme: "http", User: url.UserPassword("me", "secret"), Host: "h"}
	for _, test := range []struct {
		ask     ask.Ask
		op, url string
	}{
		{ask.Ask{}, "Get", ""},
		{ask.Of(&http.Request{}), "Get", ""},
		{ask.Of(&http.Request{Method: "PATCH", URL: withPassword}), "Patch", "http://me:xxxxx@h"},
		{ask.Of(&http.Request{Method: "G\x1bET"}), `G\x1bet`, ""},
		{ask.Get("http://me:secret@h", nil), "Get", "http://me:xxxxx@h"},
		{ask.Get("", withPassword), "Get", "http://me:xxxxx@h"},
	} {
		if op, u := test.ask.Name(); op != test.op || u != test.url {
			t.Errorf("Name() = %q, %q; want %q, %q", op, u, test.op, test.url)
		}
	}
}

// The URL of a bare GET may be passed to a transport, which may change it.
// Nothing else may see the change.
func TestSend_urlIsNotShared(t *testing.T) {
	at := func(path string) *url.URL { return &url.URL{Scheme: "http", Host: "h", Path: path} }
	for name, out := range map[string]ask.Outgoing{
		"with a text":          ask.Get("http://h/x", nil).Out(at("/x")),
		"with a kept URL":      ask.Get("", at("/x")).Out(at("/x")),
		"without a URL to own": ask.Get("", at("/x")).Out(nil),
		"of a request":         ask.Of(&http.Request{URL: at("/x")}).Out(nil),
	} {
		for range 3 {
			view := out.View(t.Context())
			view.URL.Path = "/viewed"
			sent := out.ToSend(t.Context())
			if sent.URL.Path != "/x" {
				t.Errorf("%s: sent %s, want the path /x", name, sent.URL)
			}
			sent.URL.Path = "/changed"
			if got := out.Request().URL.Path; got != "/x" {
				t.Errorf("%s: the request has the path %s after it was sent, want /x", name, got)
			}
		}
	}
}

func TestInMemory(t *testing.T) {
	var m ask.Memory
	m.Set([]byte("all of it"))
	resp := &http.Response{Body: &m}
	io.ReadAll(resp.Body)
	if body, ok := ask.InMemory(resp); string(body) != "all of it" || !ok {
		t.Errorf("InMemory() = %q, %v; want the body from its start", body, ok)
	}
	resp.Body = io.NopCloser(strings.NewReader("another's"))
	if body, ok := ask.InMemory(resp); ok {
		t.Errorf("InMemory() = %q, true for the response of another library, want false", body)
	}
}

func TestFresh(t *testing.T) {
	r := &http.Request{Body: io.NopCloser(strings.NewReader("once"))}
	body := ask.Fresh(r)
	if _, err := io.ReadAll(body); !errors.Is(err, ask.ErrSpent) || !ask.IsSpent(body) {
		t.Errorf("Read of a spent body = %v, want %v", err, ask.ErrSpent)
	}
	opened := 0
	r.GetBody = func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader("again")), nil
	}
	body = ask.Fresh(r)
	if opened != 0 {
		t.Error("GetBody was called before the first Read")
	}
	if b, err := io.ReadAll(body); string(b) != "again" || err != nil || opened != 1 {
		t.Errorf("Read = %q, %v, opened %d times; want %q, opened once", b, err, opened, "again")
	}
}
