package abreast_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/internal/testnet"
	"github.com/abreast-go/abreast/waterfall"
)

var update = flag.Bool("update", false, "rewrite the README's picture")

// The picture in the README shows the page of Example_handler, in fake time, so
// that it looks the same everywhere.
func TestReadme_picture(t *testing.T) {
	const file = "docs/handler.svg"
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		answer := func(text string, after, body time.Duration) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(after):
				case <-r.Context().Done():
					panic(http.ErrAbortHandler)
				}
				fmt.Fprint(w, text[:1])
				http.NewResponseController(w).Flush()
				<-time.After(body)
				fmt.Fprint(w, text[1:])
			}
		}
		mux := http.NewServeMux()
		mux.Handle("/user", answer(`"Ada"`, 110*ms, 20*ms))
		mux.Handle("/cart", answer(`["tea", "milk"]`, 190*ms, 90*ms))
		mux.Handle("/offers", answer(`[]`, time.Hour, 0))
		services := testnet.New(t, mux)
		services.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			trace := httptrace.ContextClientTrace(ctx) // as a net.Dialer does
			trace.DNSStart(httptrace.DNSStartInfo{})
			<-time.After(15 * ms)
			trace.DNSDone(httptrace.DNSDoneInfo{})
			trace.ConnectStart(network, addr)
			<-time.After(25 * ms)
			trace.ConnectDone(network, addr, nil)
			return services.Dial(ctx, network, addr)
		}

		var rec waterfall.Recorder
		page := dashboard{&client.Client{
			BaseURL: "http://services.test",
			HTTP:    services.Client(),
			Observe: rec.Observe,
		}, 500 * ms}
		page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))

		var got bytes.Buffer
		if err := rec.SVG(&got); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s differs from the picture; -update rewrites it (-want +got):\n%s", file, diff)
		}
	})
}
