package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.URL
}

// faults responds with one fault for each path.
func faults(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/404":
		http.NotFound(w, r)
	case "/500":
		w.WriteHeader(500)
	case "/moved":
		http.Redirect(w, r, "/good", http.StatusFound)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/empty":
	case "/big":
		w.Write(make([]byte, 1<<20))
	case "/cut":
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "a part")
	case "/reset":
		planted{status: 200, bytes: 10, kind: lines.Reset}.item().Serve(w, r)
	case "/silent":
		<-r.Context().Done()
	default:
		io.WriteString(w, "good")
	}
}
