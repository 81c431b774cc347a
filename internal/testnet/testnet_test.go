package testnet_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/abreast-go/abreast/internal/testnet"
)

func TestServer_inFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testnet.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Hour)
		}))
		start := time.Now()
		resp, err := s.Client().Get("http://any/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if d := time.Since(start); d != time.Hour {
			t.Errorf("a request took %v, want an hour", d)
		}
		if n := s.Dials(); n != 1 {
			t.Errorf("%d dials, want 1", n)
		}
		s.Close()
		s.Transport.CloseIdleConnections()
		if _, err := s.Client().Get("http://any/"); err == nil {
			t.Error("a closed server accepted a connection")
		}
	})
}
