package recipes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/abreast-go/abreast/parallel"
)

// Resume writes the body of a 2xx response to f. If the transfer breaks off and
// Retry sends the request again, only the rest is requested. Three parts work
// together:
//
//	c := client.Client{
//		HTTP:  &http.Client{Transport: recipes.Resuming(client.NewTransport())},
//		Retry: parallel.Retries(10),
//		Stall: time.Minute, // a Timeout would have to fit the whole download
//		Timeout: -1,
//	}
//	h := p.Get(url, recipes.Resume(f))
//
// The rest is requested with Range and If-Range (RFC 9110, sections 13.1.5 and
// 14.2), so a server sends it only if its file has not changed. The download
// starts over if the file has changed, if the server ignores the Range or
// refuses it (416), or if the first response had no strong ETag.
//
// The option works for one request, a GET. f belongs to the request until its
// handle is done; then the caller closes f. The former content of f is lost. If
// the request fails, f has the beginning of the body.
func Resume(f *os.File) parallel.Option {
	d := &download{file: f}
	return func(r *parallel.Request) error {
		// The transport would decompress a body, and count other bytes than the
		// server does.
		r.Header.Set("Accept-Encoding", "identity")
		r.Request = r.WithContext(context.WithValue(r.Context(), downloadKey{}, d))
		r.Take = d.take
		return nil
	}
}

// A download is the state of a request with Resume. Its attempts use it, one
// after another.
type download struct {
	file *os.File
	size int64  // of what has arrived
	etag string // of the file that the server sends; "" if its rest cannot be asked for
}

type downloadKey struct{}

// take prepares the file for the body of a response. It is the request's Take.
func (d *download) take(resp *http.Response) (io.Writer, error) {
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		if !d.continues(resp) {
			return nil, fmt.Errorf("206 with Content-Range %.40q, which was not asked for", resp.Header.Get("Content-Range"))
		}
		d.size = d.from()
	case resp.StatusCode/100 == 2:
		d.size, d.etag = 0, resp.Header.Get("ETag")
		if strings.HasPrefix(d.etag, "W/") { // it does not promise the same bytes
			d.etag = ""
		}
	default:
		return nil, nil
	}
	if err := d.file.Truncate(d.size); err != nil {
		return nil, err
	}
	_, err := d.file.Seek(d.size, io.SeekStart)
	return d, err
}

func (d *download) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	d.size += int64(n)
	return n, err
}

// from returns where the rest begins: at the last byte that has arrived, and
// not after it. A body may break off after its last byte, where no range
// begins.
func (d *download) from() int64 { return d.size - 1 }

// continues reports whether resp has the rest of the file.
func (d *download) continues(resp *http.Response) bool {
	etag := resp.Header.Get("ETag")
	return d.size > 0 && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.from())) &&
		(etag == "" || etag == d.etag)
}

// Resuming returns a transport that asks for the rest of the body of a request
// with Resume. It sends other requests unchanged.
func Resuming(next http.RoundTripper) http.RoundTripper { return resuming{next} }

type resuming struct{ next http.RoundTripper }

func (t resuming) RoundTrip(r *http.Request) (*http.Response, error) {
	d, ok := r.Context().Value(downloadKey{}).(*download)
	if !ok || d.size == 0 || d.etag == "" {
		return t.next.RoundTrip(r)
	}
	rest := r.Clone(r.Context())
	rest.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.from()))
	rest.Header.Set("If-Range", d.etag)
	resp, err := t.next.RoundTrip(rest)
	if err != nil {
		return nil, err
	}
	refused := resp.StatusCode == http.StatusRequestedRangeNotSatisfiable
	if refused || resp.StatusCode == http.StatusPartialContent && !d.continues(resp) {
		resp.Body.Close()
		return t.next.RoundTrip(r) // from the beginning
	}
	return resp, nil
}
