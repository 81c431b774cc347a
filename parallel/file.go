package parallel

import (
	"errors"
	"io"
	"net/http"

	"github.com/abreast-go/abreast/internal/exchange"
	"github.com/abreast-go/abreast/internal/whole"
)

// File writes the body of a 2xx response to a file, which gets this name when
// the body is whole. The body is not kept in memory, and MaxBody does not apply
// to it. The body of any other status is kept in memory, and no file is
// written. To learn whether the file is there, call Bytes of the handle: it
// requires 2xx, and its bytes are empty.
//
// The body is written to a temporary file in the same folder. Its name begins
// with name and ends in ".part". When the body is whole and the request will
// not be sent again, the file is renamed to name. From then on it is too late
// to cancel the request. If the request fails or is canceled, or if the attempt
// is retried, the temporary file is removed, and an existing file is unchanged.
// A temporary file is left only if the program or the system ends meanwhile, or
// if the folder can no longer be written. The file is not synced to the disk: a
// power failure may leave a name without the content.
//
// An existing file is replaced, even a read-only one, and its permission bits
// are kept. A new file gets 0666 less the umask. If the folder does not exist,
// or the name is that of a folder, device or symbolic link, the request fails.
// If that is so when the request is made, it is not sent. To replace the file
// that a link leads to, pass the result of filepath.EvalSymlinks.
//
// Errors of the file are those of package os, in a *url.Error. A relative name
// is resolved when the request is made. The response to a HEAD request, or a
// 204, makes an empty file. If two requests have one name, each file is whole,
// and the last rename wins. Racers must not share a name, since a loser may
// still rename its file. If a request has several of Take, To and File, the
// last one wins.
func File(name string) Option {
	return func(r *Request) (err error) {
		f := new(file)
		f.name, err = whole.Check(name)
		r.take(f.pick)
		r.file = f
		return err
	}
}

// A file is the file to which an option File writes the body of one request.
// The attempts use it one after another, and then keepFile.
type file struct {
	name    whole.Name
	part    *whole.File // of the present attempt; nil without a 2xx response
	removed bool        // the part of an attempt was removed for a retry
}

// pick creates the file for a 2xx response. It is the request's Take.
func (f *file) pick(resp *http.Response) (io.Writer, error) {
	f.drop()
	if resp.StatusCode/100 != 2 {
		return nil, nil
	}
	part, err := whole.Create(f.name)
	if err != nil {
		return nil, err
	}
	f.part, f.removed = part, false
	return part, nil
}

// drop removes what the present attempt has written.
func (f *file) drop() {
	if f.part != nil {
		f.part.Drop()
		f.part, f.removed = nil, true
	}
}

var errRemoved = errors.New("the partial file was removed for a retry, and the retry failed")

// keepFile gives the file of the option File its name, if a has a response, and
// removes it otherwise. It is called once, with the answer of the last attempt.
// A request that is canceled before the file has its name fails. That check
// runs user code: the methods of the request's own context.
func (s *sending) keepFile(a *exchange.Answer) {
	f := s.request.file
	if f == nil {
		return
	}
	defer f.drop()
	s.Guard.Run(func() {
		var err error
		switch {
		case !a.Succeeded():
		case f.part != nil:
			err = f.part.Keep(func() error { return s.Ended(s.p.ctx) })
		case f.removed:
			err = errRemoved
		}
		if err != nil {
			s.Fail(a, err)
		}
	}, func(why error) { s.Fail(a, why) })
}
