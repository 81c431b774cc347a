package exchange

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/abreast-go/abreast/internal/ask"
	"github.com/abreast-go/abreast/internal/conns"
)

// A loser of a Race is first withdrawn and then interrupted. If its Wait
// returned a Later in between, it failed with that.
func TestLater_withdrawnMeanwhile(t *testing.T) {
	withdrawn := errors.New("withdrawn")
	guard := new(Guard)
	ctx := guard.Protect(t.Context(), true)
	defer guard.End(nil)
	x := &Exchange{Ask: ask.Of(&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "h"}}).Out(nil), Options: NoOptions, Guard: guard}
	s := &Settings{Wait: func(*http.Request) error {
		x.Doom(withdrawn)
		return Later(time.Hour)
	}}
	var a Answer
	x.Do(ctx, s, nobody{}, new(Buffer), &a)
	x.Close(&a)
	if a.Later != 0 || !errors.Is(a.Err, withdrawn) {
		t.Errorf("Later = %v, Err = %v; want 0, %v", a.Later, a.Err, withdrawn)
	}
}

// nobody owns an Exchange that is not sent.
type nobody struct{ conns.Owner }
