package pending

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/abreast-go/abreast/internal/fail"
)

// memory is the Body of a response that is in memory: Close has nothing to do.
type memory struct {
	bytes.Reader
	all []byte // also what was read
}

func (*memory) Close() error { return nil }

// InMemory is the body of a response that a handle gave, from its start; of another's
// it is not ok. It is for those who build a block.
func InMemory(resp *http.Response) (body []byte, ok bool) {
	m, ok := resp.Body.(*memory)
	if !ok {
		return nil, false
	}
	return m.all, true
}

// Bytes claims the handle, waits until it has settled and returns the body of its
// response. A status outside 2xx is a *StatusError, and the bytes are nil then:
// the error's Response has them. Other errors are those of Response.
//
// The bytes are shared by all who ask for them: they are to be read only. (The
// body that parallel.To took is empty.)
func (h *Pending) Bytes() ([]byte, error) {
	h = h.orNone()
	h.wait()
	if h.err != nil {
		return nil, h.err
	}
	if err := statusError(h); err != nil {
		return nil, err
	}
	return h.body, nil
}

// JSON is Bytes, decoded into v with json.Unmarshal. What doesn't decode, such as the
// empty body of a 204 or that which parallel.To took, is a *url.Error around the
// decoder's error; v may have been written to by then. The error names the body's
// Content-Encoding if the body is still in one, as after an Accept-Encoding of your
// own, or from a server that sends br to whoever asks.
func (h *Pending) JSON(v any) error {
	b, err := h.Bytes()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		h = h.orNone()
		op, u := h.named()
		return &url.Error{Op: op, URL: u, Err: fail.Redact(encoded(h.resp, err))}
	}
	return nil
}

// encoded returns err, which a decoder returned for the body of resp, or if the
// body is still in an encoding (br, zstd, ...), an error that names the encoding
// and wraps err. net/http removes the header when it decompresses a body.
func encoded(resp *http.Response, err error) error {
	coding := strings.Join(resp.Header.Values("Content-Encoding"), ", ")
	if coding == "" || strings.EqualFold(coding, "identity") {
		return err
	}
	return fmt.Errorf("the body has Content-Encoding %.40q, which was not decoded: %w", coding, err)
}

// named is how errors name the request: in net/http's way, by the method and the
// URL that were asked for, without a password. For what Go returned it is the
// request of the response, where that has one.
func (h *Pending) named() (op, u string) {
	return h.asked.or(h.resp).named()
}
