package recipes

import (
	"net/url"
	"strings"
	"testing"
)

// PerHost went by the text of URL.Host: bücher.example and its ASCII form had
// two limiters, and so had h and h:80.
func TestOrigin(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"http://h/", "http://h:80"},
		{"HTTP://H:80/x", "http://h:80"},
		{"http://h:", "http://h:80"},
		{"http://me:secret@h/", "http://h:80"},
		{"https://h", "https://h:443"},
		{"http://h:443", "http://h:443"},
		{"http://bücher.example", "http://xn--bcher-kva.example:80"},
		{"http://BÜCHER.example", "http://xn--bcher-kva.example:80"},
		{"http://XN--bcher-kva.example:80", "http://xn--bcher-kva.example:80"},
		{"http://straße.example", "http://xn--strae-oqa.example:80"},
		{"http://strasse.example", "http://strasse.example:80"},
		{"http://βόλος.example", "http://xn--nxasmm1c.example:80"},
		{"http://βόλοσ.example", "http://xn--nxasmq6b.example:80"},
		{"http://my_host", "http://my_host:80"},
		{"http://a.test.", "http://a.test.:80"},
		{"http://[::1]", "http://[::1]:80"},
		{"http://[0:0::0:1]:80", "http://[::1]:80"},
		{"http://[::ffff:127.0.0.1]", "http://127.0.0.1:80"},
		{"http://[FE80::1%25Eth0]:80", "http://[fe80::1%Eth0]:80"},
		{"http://" + strings.Repeat("ü", 1000), "http://" + strings.Repeat("ü", 1000) + ":80"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin(u); got != tt.want {
			t.Errorf("origin(%.60q) = %.60q; want %.60q", tt.url, got, tt.want)
		}
	}
}
