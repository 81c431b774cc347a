package client

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// unzip makes the body of resp one that is decompressed as it is read, if its
// encoding is x-gzip. That is another name of gzip (RFC 9110, section 8.4.1.3),
// which net/http does not know. Like net/http, unzip leaves the body alone
// unless the transport itself asked for gzip. Only of a *http.Transport, and
// not of one below a wrapper, can it know that.
func unzip(transport http.RoundTripper, req *http.Request, resp *http.Response) {
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "x-gzip") {
		return
	}
	t, ok := transport.(*http.Transport)
	asked := ok && !t.DisableCompression && req.Method != http.MethodHead &&
		req.Header.Get("Accept-Encoding") == "" && req.Header.Get("Range") == ""
	if !asked || resp.ContentLength == 0 {
		return
	}
	resp.Body = &unzipped{body: resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Uncompressed = true
}

// An unzipped is a body that is decompressed as it is read.
type unzipped struct {
	body io.ReadCloser
	zip  *gzip.Reader // nil before the first Read, which reads its header
	err  error        // why the header could not be read, or nil
}

func (u *unzipped) Read(p []byte) (int, error) {
	if u.zip == nil && u.err == nil {
		u.zip, u.err = gzip.NewReader(u.body)
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.zip.Read(p)
}

// Close closes the compressed body. It may be called during a Read, as for the
// bodies of net/http.
func (u *unzipped) Close() error { return u.body.Close() }
