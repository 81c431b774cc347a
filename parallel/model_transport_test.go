package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/abreast-go/abreast/internal/testnet"
)

var (
	errTransport = errors.New("the transport's error")
	errBody      = errors.New("the body's error")
	errWait      = errors.New("the Wait's error")
	errOption    = errors.New("the option's error")
)

// transport returns the transport of the program's requests.
func (w *world) transport(t *testing.T) http.RoundTripper {
	var next http.RoundTripper = roundTrip(w.play)
	if w.program.network {
		next = testnet.New(t, http.HandlerFunc(w.serve)).Transport
	}
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		r := w.of(req)
		if r.spec.hop != "" && req.Method == http.MethodGet && req.Response == nil {
			return w.redirect(r, req)
		}
		w.enter(r, req)
		defer w.exit(r)
		if w.planned(r).result == undialed {
			return nil, notSentByTrace(req)
		}
		w.mu.Lock()
		r.transmitted = true
		w.mu.Unlock()
		resp, err := next.RoundTrip(req)
		if resp != nil && resp.Body != nil {
			w.opened(r, +1)
			resp.Body = &watchedBody{ReadCloser: resp.Body, closed: func() { w.opened(r, -1) }}
		}
		return resp, err
	})
}

// redirect redirects r to its other host.
func (w *world) redirect(r *record, req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.takeSlotLocked(r, req)
	w.beginLocked(r)
	w.mu.Unlock()
	if err := pause(req.Context(), 3*time.Millisecond, r.spec.lag); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r.redirected, r.responded, r.transmitted = true, true, true
	w.leaveHostLocked(r)
	location := fmt.Sprintf("http://%s/?n=%d", r.spec.hop, r.n)
	return &http.Response{
		StatusCode: http.StatusFound, Header: http.Header{"Location": {location}}, Body: http.NoBody, Request: req,
	}, nil
}

// play is a transport without a network. It does what the request's spec says.
func (w *world) play(req *http.Request) (*http.Response, error) {
	r := w.of(req)
	defer func() {
		if req.Body != nil {
			req.Body.Close()
		}
	}()
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
	}
	s := w.planned(r)
	latency := s.latency
	if s.result == stalls {
		latency = time.Hour
	}
	if err := pause(req.Context(), latency, s.lag); err != nil {
		return nil, err
	}
	text := r.text()
	resp := &http.Response{
		StatusCode: s.status(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"N": {strconv.Itoa(r.n)}}, ContentLength: int64(len(text)),
	}
	body := &playedBody{ctx: req.Context(), r: bytes.NewReader(text), wait: s.body, lag: s.lag, end: io.EOF}
	switch s.result {
	case broken:
		return nil, errTransport
	case nothing:
		return nil, nil
	case panics_:
		w.panics(r)
	case goexits:
		runtime.Goexit()
	case short:
		resp.ContentLength++
	case cutOff:
		body.end = errBody
	case panicsIn:
		body.panics = func() { w.panics(r) }
	}
	resp.Body = body
	return resp, nil
}

// serve is a handler that does what the request's spec says, as far as a server
// can.
func (w *world) serve(rw http.ResponseWriter, req *http.Request) {
	r := w.of(req)
	w.mu.Lock()
	r.came++
	w.mu.Unlock()
	io.Copy(io.Discard, req.Body)
	s := w.planned(r)
	latency := s.latency
	if s.result == stalls {
		latency = time.Hour
	}
	if pause(req.Context(), latency, s.lag) != nil || s.result == broken || s.result == nothing {
		panic(http.ErrAbortHandler)
	}
	text := r.text()
	rw.Header().Set("N", strconv.Itoa(r.n))
	switch s.result {
	case short, cutOff:
		rw.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	}
	rw.WriteHeader(s.status())
	rw.(http.Flusher).Flush()
	if pause(req.Context(), s.body, s.lag) != nil {
		panic(http.ErrAbortHandler)
	}
	rw.Write(text)
	if s.result == cutOff || s.result == short {
		panic(http.ErrAbortHandler)
	}
}

// pause waits for d, or until lag after the end of ctx.
func pause(ctx context.Context, d, lag time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
	}
	<-time.After(lag)
	return ctx.Err()
}

func (s spec) status() int {
	switch s.result {
	case notFound:
		return http.StatusNotFound
	case unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// text returns the body of the response to r.
func (r *record) text() []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("answer %d. ", r.n)), 1+r.n%7*50)
}

type playedBody struct {
	ctx       context.Context
	r         io.Reader
	wait, lag time.Duration
	panics    func()
	end       error
}

func (b *playedBody) Read(p []byte) (int, error) {
	if err := pause(b.ctx, b.wait, b.lag); err != nil {
		return 0, err
	}
	b.wait = 0
	if b.panics != nil {
		b.panics()
	}
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = b.end
	}
	return n, err
}

func (b *playedBody) Close() error { return nil }

type watchedBody struct {
	io.ReadCloser
	once   sync.Once
	closed func()
}

func (b *watchedBody) Close() error {
	defer b.once.Do(b.closed)
	return b.ReadCloser.Close()
}

// A modelUpload is a request body, which must be closed once.
type modelUpload struct {
	w *world
	r *record
	io.Reader
}

func (u *modelUpload) Close() error {
	u.w.mu.Lock()
	defer u.w.mu.Unlock()
	u.r.closes++
	return nil
}
