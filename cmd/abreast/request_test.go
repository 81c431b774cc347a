package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// file writes a file into a folder of its own, and returns its name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "%s %s %s|%s|%s|%s|%s", r.Method, r.URL, r.Header.Get("Content-Type"), body,
		r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X"))
}

// What the flags say about requests, and what lines say in place of them.
func TestFlags_request(t *testing.T) {
	t.Parallel()
	up := serve(t, echo)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:hunter2"))
	for _, tt := range []struct {
		args  []string
		lines string // "" for the URL as an argument
		want  []string
	}{
		{[]string{"-X", "DELETE", "-compressed"}, "", []string{"DELETE / ||||"}},
		{[]string{"-d", "a=1", "-d", "b=2"}, "", []string{"POST / application/x-www-form-urlencoded|a=1&b=2|||"}},
		{[]string{"-X", "PUT", "-d", "@" + file(t, "d", "a\nb\r\n")}, "", []string{"PUT / application/x-www-form-urlencoded|ab|||"}},
		{[]string{"-d", "a", "-H", "Content-Type: text/x"}, "", []string{"POST / text/x|a|||"}},
		{[]string{"-X", "put", "-d", "a", "-H", "content-type:"}, "", []string{"PUT / |a|||"}},
		{[]string{"-H", "X: 1", "-H", "X;"}, "", []string{"GET / ||||1"}},
		{[]string{"-X", "purge"}, up + "\n" + fmt.Sprintf(`{"url":%q,"method":"delete"}`, up), []string{"purge / ||||", "DELETE / ||||"}},
		{[]string{"-d", "@-"}, "a=b\n", []string{"POST / application/x-www-form-urlencoded|a=b|||"}},
		{[]string{"-json", `{"a": 1}`}, "", []string{`POST / application/json|{"a": 1}|||`}},
		{[]string{"-json", "@" + file(t, "j", "[1]\n")}, "", []string{"POST / application/json|[1]\n|||"}},
		{[]string{"-H", "x:  1 "}, "", []string{"GET / ||||1"}},
		{[]string{"-u", "me:hunter2"}, "", []string{"GET / ||" + basic + "||"}},
		{[]string{"-b", "a=1", "-b", "b=2; c=3"}, "", []string{"GET / |||a=1; b=2; c=3|"}},
		{[]string{"-X", "PUT", "-H", "X: 1", "-d", "all"}, up + "\n" + fmt.Sprintf(`{"url":%q,"method":"PATCH","body":"own","headers":{"x":"2"}}`, up),
			[]string{"PUT / application/x-www-form-urlencoded|all|||1", "PATCH / |own|||2"}},
	} {
		args := append([]string{"-ordered", "-body"}, tt.args...)
		if tt.lines == "" || slices.Contains(tt.args, "@-") {
			args = append([]string{up}, args...) // flags may follow
		}
		got := abreast(t, strings.NewReader(tt.lines), args...)
		var texts []string
		for _, r := range got.records {
			texts = append(texts, r.Text)
		}
		if diff := cmp.Diff(tt.want, texts); diff != "" || got.status != exitGood {
			t.Errorf("%q: exit status %d, (-want +got):\n%s\n%s", tt.args, got.status, diff, got.stderr)
		}
	}
}

func TestFlags_netrc(t *testing.T) {
	up := serve(t, echo)
	text := "# comment machine no\nmachine other.example login a password b\n" +
		"machine 127.0.0.1\n  login me\n  account x password hunter2\nmacdef init\nmachine 127.0.0.1 login no\n\ndefault login d password e\n"
	t.Setenv("NETRC", file(t, ".netrc", text))
	basic := func(user string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(user)) }
	list := up + "\n" + strings.Replace(up, "127.0.0.1", "localhost", 1) + "\n" + strings.Replace(up, "//", "//u:v@", 1) +
		"\n" + fmt.Sprintf(`{"url":%q,"headers":{"Authorization":"own"}}`, up)
	got := abreast(t, strings.NewReader(list), "-netrc", "-body", "-ordered", "-limit", "1")
	if len(got.records) != 4 {
		t.Fatalf("%d results; it says:\n%s", len(got.records), got.stderr)
	}
	for i, want := range []string{basic("me:hunter2"), basic("d:e"), basic("u:v"), "own"} {
		if text := got.records[i].Text; text != "GET / ||"+want+"||" && got.records[i].Status != 0 { // localhost may be IPv6 alone
			t.Errorf("line %d: the server got %q; want %q", i+1, text, want)
		}
	}
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "missing"))
	if got := abreast(t, nil, "-netrc", up); got.status != exitUsage || !strings.Contains(got.stderr, "missing") {
		t.Errorf("without the file: exit status %d; it says:\n%s", got.status, got.stderr)
	}
}

// Credentials stop at a redirect to another origin, also if it leads back.
func TestCredentials_stopAtRedirect(t *testing.T) {
	t.Parallel()
	var up string
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, up+"/there", http.StatusFound)
			return
		}
		echo(w, r)
	})
	up = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/there":
			echo(w, r)
		case "/stays":
			http.Redirect(w, r, "/there", http.StatusFound)
		default:
			http.Redirect(w, r, other+r.URL.Path, http.StatusFound)
		}
	})
	own := `{"url":"%s","headers":{"X":"hunter2","Authorization":"hunter2"}}` + "\n"
	list := up + "/a\n" + up + "/back\n" + fmt.Sprintf(own+own+own, up+"/a", up+"/back", up+"/stays")
	got := abreast(t, strings.NewReader(list), "-ordered", "-body", "-u", "me:hunter2", "-b", "a=hunter2", "-H", "X: hunter2")
	if len(got.records) != 5 {
		t.Fatalf("%d results; it says:\n%s", len(got.records), got.stderr)
	}
	for i, r := range got.records[:4] {
		if strings.Contains(r.Text, "hunter2") || r.Status != 200 || r.FinalURL == "" {
			t.Errorf("line %d: got %+v; want no credentials", i+1, r)
		}
	}
	if r := got.records[4]; r.Text != "GET /there ||hunter2|a=hunter2|hunter2" || r.FinalURL != up+"/there" {
		t.Errorf("within the origin: got %+v; want all credentials", r)
	}
}

// certificate returns a certificate and its key, signed by the parent or by
// itself, in PEM.
func certificate(t *testing.T, name string, parent *tls.Certificate) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	by, signer := c, any(key)
	if parent != nil {
		by, signer = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair, string(certPEM) + string(keyPEM)
}

func TestFlags_certificates(t *testing.T) {
	t.Parallel()
	ca, caPEM := certificate(t, "ca", nil)
	serverPair, _ := certificate(t, "server", &ca)
	_, clientPEM := certificate(t, "client", &ca)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf)
	start := func(auth tls.ClientAuthType) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, c := range r.TLS.PeerCertificates {
				io.WriteString(w, c.Subject.CommonName)
			}
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{serverPair}, ClientCAs: roots, ClientAuth: auth}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	open, closed := start(tls.NoClientCert), start(tls.RequireAndVerifyClientCert)
	caFile, both := file(t, "ca.pem", caPEM), file(t, "client.pem", clientPEM)
	i := strings.Index(clientPEM, "-----BEGIN PRIVATE")
	cert, key := file(t, "cert.pem", clientPEM[:i]), file(t, "key.pem", clientPEM[i:])
	for _, tt := range []struct {
		args []string
		kind lines.Kind
		text string
	}{
		{[]string{open}, lines.TLS, ""},
		{[]string{open, "-k"}, "", ""},
		{[]string{open, "-cacert", caFile}, "", ""},
		{[]string{closed, "-k", "-cert", cert, "-key", key}, "", "client"},
		{[]string{closed, "-cacert", caFile, "-cert", both}, "", "client"},
	} {
		got := abreast(t, nil, append(tt.args, "-body", "-retries", "0")...)
		if len(got.records) != 1 || got.records[0].Kind != tt.kind || got.records[0].Text != tt.text {
			t.Errorf("%q: got %+v; want kind %q, text %q; it says:\n%s", tt.args, got.records, tt.kind, tt.text, got.stderr)
		}
	}
	got := abreast(t, nil, closed, "-k", "-retries", "0")
	if len(got.records) != 1 || got.records[0].Kind == "" {
		t.Errorf("without its certificate: got %+v; want a failure", got.records)
	}
	if got := abreast(t, nil, closed, "-cert", cert); got.status != exitUsage || !strings.Contains(got.stderr, "-cert") {
		t.Errorf("without a key: exit status %d; it says:\n%s", got.status, got.stderr)
	}
}

// The proxy asks for a password, and tunnels and forwards.
func TestFlags_proxy(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer secure.Close()
	plain := serve(t, echo)
	var passed atomic.Int64
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:hunter2")) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		passed.Add(1)
		if r.Method != http.MethodConnect {
			io.WriteString(w, "through the proxy")
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer to.Close()
		w.WriteHeader(200)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go io.Copy(to, rw)
		io.Copy(conn, to)
	})
	address := strings.TrimPrefix(proxy, "http://")
	list := plain + "\n" + secure.URL
	for _, tt := range []struct {
		proxy string
		kinds [2]lines.Kind
	}{
		{"http://me:hunter2@" + address, [2]lines.Kind{}},
		{"me:hunter2@" + address, [2]lines.Kind{}},
		{"http://me:hunter3@" + address, [2]lines.Kind{lines.Status, lines.Proxy}},
	} {
		got := abreast(t, strings.NewReader(list), "-k", "-ordered", "-retries", "0", "-proxy", tt.proxy)
		if len(got.records) != 2 || got.records[0].Kind != tt.kinds[0] || got.records[1].Kind != tt.kinds[1] {
			t.Errorf("%s: got %+v; want kinds %q", tt.proxy, got.records, tt.kinds)
		}
		if strings.Contains(got.stdout+got.stderr, "hunter") {
			t.Errorf("a password is shown:\n%s%s", got.stdout, got.stderr)
		}
	}
	if passed.Load() != 4 {
		t.Errorf("%d requests went through the proxy; want 4", passed.Load())
	}
	got := abreast(t, nil, plain, "-proxy", "127.0.0.1:1", "-retries", "0")
	if len(got.records) != 1 || got.records[0].Kind != lines.Proxy || got.records[0].Sent {
		t.Errorf("without a proxy: got %+v; want kind %q, not sent", got.records, lines.Proxy)
	}
}

// A line logs in, and those after it have its cookie. The next run has it as
// well.
func TestCookies_overLines(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "7", Path: "/", MaxAge: 3600, HttpOnly: true})
			http.SetCookie(w, &http.Cookie{Name: "gone", Value: "7", Path: "/"})
			http.SetCookie(w, &http.Cookie{Name: "tld", Value: "7", Domain: "com"})
		case "/out":
			http.SetCookie(w, &http.Cookie{Name: "gone", Path: "/", MaxAge: -1})
		default:
			echo(w, r)
		}
	})
	jar := filepath.Join(t.TempDir(), "cookies.txt")
	list := up + "/login\n" + up + "/a\n" + up + "/out\n" + up + "/b\n"
	got := abreast(t, strings.NewReader(list), "-limit", "1", "-ordered", "-body", "-c", jar)
	if len(got.records) != 4 || got.records[1].Text != "GET /a |||session=7; gone=7|" || got.records[3].Text != "GET /b |||session=7|" {
		t.Errorf("the lines got %+v; it says:\n%s", got.records, got.stderr)
	}
	text, err := os.ReadFile(jar)
	if err != nil || !strings.Contains(string(text), "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t") || strings.Contains(string(text), "gone") {
		t.Errorf("the file has %q, %v", text, err)
	}
	next := abreast(t, strings.NewReader(up+"/c\n"), "-body", "-b", jar, "-b", "x=1")
	if len(next.records) != 1 || next.records[0].Text != "GET /c |||x=1; session=7|" {
		t.Errorf("the next run got %+v; it says:\n%s", next.records, next.stderr)
	}
}

// curl takes the proxy of ALL_PROXY, which net/http does not know.
func TestProxy_environment(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "through the proxy to "+r.URL.String())
	})
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the other proxy") })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	t.Setenv("all_proxy", proxy)
	for _, tt := range []struct{ name, value, want string }{
		{"NO_PROXY", "", "through the proxy to http://host.invalid/a"},
		{"HTTP_PROXY", other, "the other proxy"},
	} {
		t.Setenv(tt.name, tt.value)
		if got := abreast(t, nil, "http://host.invalid/a", "-body"); len(got.records) != 1 || got.records[0].Text != tt.want {
			t.Errorf("%s=%s: got %+v; want %q", tt.name, tt.value, got.records, tt.want)
		}
	}
}

func TestOutput_bodies(t *testing.T) {
	t.Parallel()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header()["X-Two"] = []string{"a", "b"}
		switch r.URL.Path {
		case "/json":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "{\n  \"a\": 1.50\n}\n")
		case "/error":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(422)
			io.WriteString(w, `{"error":"no"}`)
		case "/binary":
			w.Write([]byte{0, 1, 2})
		default:
			io.WriteString(w, "tëxt")
		}
	})
	list := fmt.Sprintf("%[1]s/json\n%[1]s/error\n%[1]s/binary\n%[1]s/text", up)
	got := abreast(t, strings.NewReader(list), "-ordered", "-body", "-headers", "etag, X-Two,Missing")
	if len(got.records) != 4 {
		t.Fatalf("%d results; it says:\n%s", len(got.records), got.stderr)
	}
	r := got.records
	if string(r[0].JSON) != `{"a":1.50}` || string(r[1].JSON) != `{"error":"no"}` || r[1].Kind != lines.Status ||
		string(r[2].Base64) != "\x00\x01\x02" || r[3].Text != "tëxt" {
		t.Errorf("the bodies are %s", got.stdout)
	}
	if diff := cmp.Diff(map[string]string{"Etag": `"1"`, "X-Two": "a, b"}, r[0].Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if strings.Count(got.stdout, "\n") != 4 {
		t.Errorf("a result is not one line:\n%s", got.stdout)
	}
	if plain := abreast(t, strings.NewReader(list)); strings.Contains(plain.stdout, "tëxt") || strings.Contains(plain.stdout, "etag") {
		t.Errorf("without the flags there are bodies or headers:\n%s", plain.stdout)
	}
}

// Fields that abreast does not know come back, with the id.
func TestOutput_input(t *testing.T) {
	t.Parallel()
	up := serve(t, echo)
	got := abreast(t, strings.NewReader(fmt.Sprintf(`{"url":%q, "id":{"a":1}, "note":"\u001b[31m", "n":1.50}`, up)))
	if len(got.records) != 1 || string(got.records[0].ID) != `{"a":1}` || string(got.records[0].Input) != `{"note":"\u001b[31m","n":1.50}` {
		t.Errorf("got %s", got.stdout)
	}
}

// A misspelt field left the request without its headers or body, in silence.
func TestOutput_unknownFields(t *testing.T) {
	t.Parallel()
	up := serve(t, echo)
	list := strings.Repeat(fmt.Sprintf(`{"url":%q,"headres":{"x":1},"data":"a","note":1}`+"\n", up), 2)
	got := abreast(t, strings.NewReader(list))
	for _, want := range []string{`2 lines with the unknown field "headres" (headers?)`, `2 lines with the unknown field "data" (body?)`} {
		if strings.Count(got.stderr, want) != 1 || strings.Contains(got.stderr, "note") || got.status != exitGood {
			t.Errorf("exit status %d; it says:\n%s\nwant %q", got.status, got.stderr, want)
		}
	}
}

// A body of 10 MB in a line arrives whole.
func TestInput_longLine(t *testing.T) {
	t.Parallel()
	var length atomic.Int64
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		length.Store(n)
	})
	const size = 10 << 20
	body, err := json.Marshal(map[string]any{"url": up, "body": strings.Repeat("x", size)})
	if err != nil {
		t.Fatal(err)
	}
	got := abreast(t, strings.NewReader(string(body)))
	if got.status != exitGood || length.Load() != size {
		t.Errorf("exit status %d, %d bytes; want %d; it says:\n%s", got.status, length.Load(), size, got.stderr)
	}
}

// A server that speaks HTTP/2 gets one connection.
func TestConnections_http2(t *testing.T) {
	t.Parallel()
	var conns sync.Map
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, there := conns.LoadOrStore(r.RemoteAddr, true); !there {
			opened.Add(1)
		}
		<-time.After(20 * time.Millisecond)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	got := abreast(t, strings.NewReader(strings.Repeat(s.URL+"\n", 500)), "-k")
	if got.status != exitGood || opened.Load() != 1 || !strings.Contains(got.stderr, "connections  1\n") {
		t.Errorf("exit status %d, %d connections; want 1; it says:\n%s", got.status, opened.Load(), got.stderr)
	}
}
