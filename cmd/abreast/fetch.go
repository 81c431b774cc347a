package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// A fetch is the way of one line from its request to its result.
type fetch struct {
	*lines.Request
	fetcher *fetcher
	seq     int    // its place in the input
	length  int    // of its line
	file    string // the name of its file in the folder; "" without a folder

	// Written while the request is sent; read when its handle is done.
	began   time.Time     // zero if it was never sent
	status  int           // of the last response, even if its body broke off
	starved int           // attempts that found no free descriptor
	asked   time.Duration // the pause that ended it, as it is longer than longestPause
	pausing bool          // between two attempts
	outcome pending.Outcome
}

// prepare makes the request of a fetch. It is used as an Option.
func (it *fetch) prepare(r *parallel.Request) error {
	f := it.fetcher
	if it.Err != nil {
		return it.Err
	}
	if err := it.Option(&f.opts.body)(r); err != nil {
		return err
	}
	r.Retry = it.retry
	var err error
	if f.folder != nil {
		it.file = f.folder.fileName(it.Request)
		if err := f.folder.makeFor(it.file); err != nil {
			return err
		}
		err = parallel.File(f.folder.path(it.file))(r)
	}
	toFile := r.Take // or nil
	r.Take = func(resp *http.Response) (io.Writer, error) { return it.take(resp, toFile) }
	return err
}

// take notes the status of a response, and returns the writer of its body: nil
// for one that is kept in memory, where the library limits it.
func (it *fetch) take(resp *http.Response, toFile func(*http.Response) (io.Writer, error)) (io.Writer, error) {
	it.status = resp.StatusCode
	f := it.fetcher
	switch {
	case resp.StatusCode/100 != 2:
		return nil, nil
	case toFile != nil:
		w, err := toFile(resp)
		if err != nil || f.opts.maxBody == 0 {
			return w, err
		}
		return &limited{w, int64(f.opts.maxBody)}, nil
	case f.opts.withBody, 0 <= resp.ContentLength && resp.ContentLength <= small:
		return nil, nil
	}
	return &limited{io.Discard, f.inMemory()}, nil
}

// small is the length of a body that is kept in memory even if nobody wants it:
// that is cheaper than to copy it to a writer.
const small = 16 << 10

// limited passes a body on to a writer, up to a number of bytes.
type limited struct {
	to   io.Writer
	room int64
}

func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.room {
		n, err := l.to.Write(p[:l.room])
		l.room -= int64(n)
		if err == nil {
			err = lines.ErrTooLarge
		}
		return n, err
	}
	n, err := l.to.Write(p)
	l.room -= int64(n)
	return n, err
}

// longestPause is the longest Retry-After that is waited for. Beyond longPause,
// a pause is told: without a bar, the program would seem to hang.
const (
	longestPause = 10 * time.Minute
	longPause    = 10 * time.Second
)

// retry decides whether a fetch is sent again. It pauses a host that asks for
// it. An attempt that found no free descriptor does not count: nothing was
// sent, and others give theirs back.
func (it *fetch) retry(a parallel.Attempt) (wait time.Duration, again bool) {
	f := it.fetcher
	defer func() {
		if again {
			it.pausing = true
			f.retrying.Add(1)
			f.batch.look()
		}
	}()
	if a.Err != nil && outOfFiles(a.Err) && f.stop.Err() == nil {
		it.starved++
		return 50*time.Millisecond + rand.N(100*time.Millisecond), true
	}
	a.N -= it.starved
	if isLasting(a.Err) {
		return 0, false
	}
	if a.Response != nil {
		if pause, ok := askedPause(a.Response, a.Done); ok {
			host, length := hostOf(a), min(pause, longestPause)
			if f.pace.pause(host, a.Done.Add(length)) && length >= longPause {
				f.told(fmt.Errorf("%s asks for a pause of %v (Retry-After): its requests wait for %v", host, pause, length))
			}
			if pause > longestPause {
				it.asked = pause
			}
			return pause, pause <= longestPause && a.N <= f.opts.retries && f.stop.Err() == nil
		}
	}
	wait, again = f.policy(a)
	return wait, again && f.stop.Err() == nil
}

// isRepeatable reports whether the request of a line may be sent twice with the
// effect of once, by the rule for the retries after a failure in transit.
func (f *fetcher) isRepeatable(l *lines.Request) bool {
	r := parallel.Request{Request: &http.Request{Method: http.MethodGet, Header: f.opts.header.Clone()}}
	if l.Option(&f.opts.body)(&r) != nil {
		return true // nothing is sent
	}
	_, again := parallel.Retries(1)(parallel.Attempt{N: 1, Request: r.Request, Err: io.ErrUnexpectedEOF})
	return again
}

// isLasting reports whether err is of a kind that another attempt would not
// change: a host that does not exist, or a certificate that is not trusted.
func isLasting(err error) bool {
	if err == nil { // of almost all attempts
		return false
	}
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	return errors.As(err, &name) && name.IsNotFound || errors.As(err, &cert) || errors.Is(err, http.ErrSchemeMismatch)
}

// hostOf returns the host that has responded.
func hostOf(a parallel.Attempt) string {
	if r := a.Response.Request; r != nil {
		return strings.ToLower(r.URL.Host)
	}
	return strings.ToLower(a.Request.URL.Host)
}

func (it *fetch) leavePause() {
	if it.pausing {
		it.pausing = false
		it.fetcher.retrying.Add(-1)
	}
}

// outOfFiles reports whether err says that no more files can be opened.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		strings.Contains(err.Error(), "too many open files") // a DNSError wraps nothing
}

// settle notes how the request ended. It runs before the handle is done,
// concurrently with other requests.
func (it *fetch) settle(o pending.Outcome) {
	it.leavePause()
	it.outcome = o
	it.fetcher.batch.settled()
}

// result returns the result of a fetch whose handle is done.
func (it *fetch) result(h *pending.Pending) *lines.Result {
	o := it.outcome
	o.Attempts -= it.starved
	r := it.Result(o, it.began)
	if o.Err != nil {
		r.Error = it.fetcher.hinted(r.Error, o.Err)
	}
	if r.Status == 0 {
		r.Status = it.status
	}
	if o.Response == nil {
		return &r
	}
	if r.Kind == "" {
		r.File = it.file
	}
	for _, name := range it.fetcher.opts.withHeaders {
		if values := o.Response.Header.Values(name); values != nil {
			if r.Headers == nil {
				r.Headers = make(map[string]string)
			}
			r.Headers[name] = strings.Join(values, ", ")
		}
	}
	body, err := h.Bytes()
	if status, ok := err.(*pending.StatusError); ok {
		body = status.Bytes()
		r.Error = lines.Reason(withoutURL(status))
	}
	if it.asked > 0 && r.Kind == lines.Status {
		r.Error += fmt.Sprintf(" (it asks for a pause of %v; at most %v is waited for)", it.asked, longestPause)
	}
	if it.fetcher.opts.withBody && r.File == "" {
		r.SetBody(o.Response.Header, body)
	}
	return &r
}

// What the library says of a request whose time ran out.
var (
	stallText   = regexp.MustCompile(`context deadline exceeded \(Stall: (no progress for [^)]+)\)`)
	timeoutText = regexp.MustCompile(`context deadline exceeded \(\S+ of ([^)]+)\)`)
)

// hinted returns the text of err with the flag that concerns it.
func (f *fetcher) hinted(text string, err error) string {
	var cert *tls.CertificateVerificationError
	var tooLarge *pending.BodyTooLargeError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text = stallText.ReplaceAllString(text, "$1 (-stall)")
		return timeoutText.ReplaceAllString(text, "not complete after $1 (timeout)")
	case errors.As(err, &cert):
		return text + " (-cacert FILE trusts a certificate, -k accepts any)"
	case errors.Is(err, lines.ErrTooLarge), errors.As(err, &tooLarge):
		return fmt.Sprintf("the body is longer than %d bytes (-max-body)", f.inMemory())
	}
	return text
}

// withoutURL returns the error of a status with the server's reason, and without
// the URL, which stands beside it.
func withoutURL(e *pending.StatusError) error {
	resp := *e.Response
	resp.Request = nil
	return &pending.StatusError{Response: &resp}
}
