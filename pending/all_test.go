package pending_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/pending"
)

// texts returns the bodies of responses, and "-" for each that is nil.
func texts(resps []*http.Response) []string {
	out := []string{}
	for _, r := range resps {
		out = append(out, read(r))
	}
	return out
}

// startAll calls All on a goroutine. It returns once All waits or has returned,
// with the channel for its result.
func startAll(hs ...*pending.Pending) (result chan func() ([]*http.Response, error)) {
	result = make(chan func() ([]*http.Response, error), 1)
	go func() {
		resps, err := pending.All(hs...)
		result <- func() ([]*http.Response, error) { return resps, err }
	}()
	synctest.Wait()
	return result
}

// wantAll checks the result of All.
func wantAll(t *testing.T, result chan func() ([]*http.Response, error), want []string, wantErr error) {
	t.Helper()
	synctest.Wait()
	if len(result) == 0 {
		t.Fatal("All is still waiting")
	}
	resps, err := (<-result)()
	if err != wantErr {
		t.Errorf("All() error = %v, want %v", err, wantErr)
	}
	if diff := cmp.Diff(want, texts(resps)); diff != "" {
		t.Errorf("responses of All (-want +got):\n%s", diff)
	}
}

// Promise 11: the responses are in the order of the arguments.
func TestAll_inTheOrderGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b, other block
		hs := []*pending.Pending{b.request("/1"), other.request("/2"), b.responded("/3", 200, "three")}
		result := startAll(hs...)
		other.respond(hs[1], 204, "two")
		synctest.Wait()
		if len(result) != 0 {
			t.Fatal("All returned before the first handle was done")
		}
		b.respond(hs[0], 200, "one")
		wantAll(t, result, []string{"one", "two", "three"}, nil)
	})
}

// Promise 11: two 401 responses are a success to All.
func TestAll_acceptsAnyStatus(t *testing.T) {
	var b block
	resps, err := pending.All(b.responded("/1", 401, "no"), b.responded("/2", 401, "nor you"))
	if err != nil {
		t.Fatalf("All() error = %v, want nil", err)
	}
	if diff := cmp.Diff([]string{"no", "nor you"}, texts(resps)); diff != "" {
		t.Errorf("responses of All (-want +got):\n%s", diff)
	}
}

// Promise 11: the first failure is the first in time, not in the order of the
// arguments. The other requests continue.
func TestAll_stopsWaitingAtFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		there, failing, open, early := b.request("/1"), b.request("/2"), b.request("/3"), b.responded("/4", 200, "early")
		result := startAll(open, there, failing, early)
		b.respond(there, 200, "there")
		b.fail(failing, errBroken)
		wantAll(t, result, []string{"-", "there", "-", "early"}, errBroken)
		b.wantCanceled(t)
		if isDone(open) {
			t.Error("All canceled a request for which it no longer waits")
		}
		b.respond(open, 200, "in the end")
		wantBody(t, open, "in the end")
	})
}

// Promise 11: the responses of handles that were done before the call are
// returned with the error.
func TestAll_doneBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		failed := b.request("/")
		b.fail(failed, errBroken)
		result := startAll(failed, b.responded("/2", 200, "two"), b.request("/3"))
		wantAll(t, result, []string{"-", "two", "-"}, errBroken)
	})
}

func TestAll_noHandles(t *testing.T) {
	resps, err := pending.All()
	if resps == nil || len(resps) != 0 || err != nil {
		t.Errorf("All() = %#v, %v; want an empty slice and no error", resps, err)
	}
}

func TestAll_nilHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, none := (*pending.Pending)(nil).Response()
		var b block
		result := startAll(b.request("/open"), nil, b.responded("/", 200, "there"))
		wantAll(t, result, []string{"-", "-", "there"}, none)
	})
}

// If a handle is given twice, each place has its own response.
func TestAll_duplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b block
		h := b.request("/")
		result := startAll(h, h)
		b.respond(h, 200, "twice")
		wantAll(t, result, []string{"twice", "twice"}, nil)
	})
}
