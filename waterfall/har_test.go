package waterfall_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/abreast-go/abreast/waterfall"
)

// An archive has the fields that a reader of HAR 1.2 relies on. Required fields
// are pointers, so that a missing field is noticed.
type archive struct {
	Log struct {
		Version string
		Creator struct{ Name, Version *string }
		Pages   *[]struct{}
		Entries []harEntry
	}
}

type harEntry struct {
	StartedDateTime time.Time
	Time            json.Number
	Request         struct {
		Method, URL, HTTPVersion *string
		Cookies                  *[]harField
		Headers, QueryString     *[]harField
		HeadersSize, BodySize    *int64
		PostData                 *harText
	}
	Response struct {
		Status                               *int
		StatusText, HTTPVersion, RedirectURL *string
		Cookies, Headers                     *[]harField
		HeadersSize, BodySize                *int64
		Content                              *harText
		Error                                string `json:"_error"`
	}
	Cache           *struct{}
	Timings         map[string]json.Number
	ServerIPAddress string
	Connection      string
	Comment         string
}

type harField struct{ Name, Value *string }

type harText struct {
	Size                              int64
	MimeType, Text, Encoding, Comment string
}

// parseHAR reads the HAR of the recorder, and checks everything that holds for
// any HAR.
func parseHAR(t *testing.T, rec *waterfall.Recorder) []harEntry {
	t.Helper()
	var b bytes.Buffer
	if err := rec.HAR(&b); err != nil {
		t.Fatal(err)
	}
	var a archive
	if err := json.Unmarshal(b.Bytes(), &a); err != nil {
		t.Fatalf("%v in\n%s", err, &b)
	}
	log := a.Log
	if log.Version != "1.2" || log.Creator.Name == nil || log.Creator.Version == nil || log.Pages == nil || len(*log.Pages) != 0 {
		t.Errorf("the log is not HAR 1.2 without pages:\n%.300s", &b)
	}
	var last time.Time
	for i, e := range log.Entries {
		if e.StartedDateTime.Before(last) {
			t.Errorf("entry %d started at %v, before the entry above it", i, e.StartedDateTime)
		}
		last = e.StartedDateTime
		r, p := e.Request, e.Response
		if r.Method == nil || r.URL == nil || r.HTTPVersion == nil || r.Cookies == nil || r.Headers == nil || r.QueryString == nil || r.HeadersSize == nil || r.BodySize == nil ||
			p.Status == nil || p.StatusText == nil || p.HTTPVersion == nil || p.RedirectURL == nil || p.Cookies == nil || p.Headers == nil || p.HeadersSize == nil || p.BodySize == nil ||
			p.Content == nil || p.Content.MimeType == "" || e.Cache == nil {
			t.Errorf("entry %d lacks a field that HAR 1.2 requires: %+v", i, e)
		}
		if u, err := url.Parse(*r.URL); err != nil || !u.IsAbs() || u.Fragment != "" {
			t.Errorf("the URL of entry %d is %q", i, *r.URL)
		}
		for _, header := range []*[]harField{r.Headers, p.Headers} {
			if !slices.IsSortedFunc(*header, func(a, b harField) int { return strings.Compare(*a.Name, *b.Name) }) {
				t.Errorf("the header of entry %d is not sorted", i)
			}
		}
		for _, name := range []string{"send", "wait", "receive"} {
			if _, ok := e.Timings[name]; !ok {
				t.Errorf("entry %d has no %s", i, name)
			}
		}
		sum := new(big.Rat)
		for name, value := range e.Timings {
			d, ok := new(big.Rat).SetString(value.String())
			if !ok || d.Sign() < 0 {
				t.Errorf("entry %d: %s is %s", i, name, value)
			} else if name != "ssl" && name != "_blocked_queueing" { // parts of connect and of blocked
				sum.Add(sum, d)
			}
		}
		if took, ok := new(big.Rat).SetString(e.Time.String()); !ok || took.Cmp(sum) != 0 {
			t.Errorf("entry %d: time is %s, the sum of its timings %s", i, e.Time, sum.FloatString(3))
		}
	}
	return log.Entries
}

func TestHAR(t *testing.T) {
	cert := certificate()
	for name := range pictures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec waterfall.Recorder
				record(t, name, cert, &rec)
				failed := 0
				for _, e := range parseHAR(t, &rec) {
					if (e.Response.Error == "") != (*e.Response.Status != 0) {
						t.Errorf("%s: status %d with _error %q", *e.Request.URL, *e.Response.Status, e.Response.Error)
					}
					if e.Response.Error != "" {
						failed++
					}
				}
				if want := map[string]int{"hedge": 1, "failures": 6}[name]; failed != want {
					t.Errorf("%d requests failed, want %d", failed, want)
				}
			})
		})
	}
}

// A Recorder without requests writes a valid HAR.
func TestHAR_withoutRequests(t *testing.T) {
	var rec waterfall.Recorder
	if got := parseHAR(t, &rec); len(got) != 0 {
		t.Errorf("HAR has entries: %v", got)
	}
}

// A request that was sent again has an entry for each attempt. They follow each
// other without a gap, and the pauses are part of blocked.
func TestHAR_attempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec waterfall.Recorder
		record(t, "retries", certificate(), &rec)
		got := make(map[string][]string)
		ends := make(map[string]time.Time)
		for _, e := range parseHAR(t, &rec) {
			url := *e.Request.URL
			got[url] = append(got[url], e.Comment)
			if end, ok := ends[url]; ok && !e.StartedDateTime.Equal(end) {
				t.Errorf("an attempt of %s begins at %v; want the end of the one before, %v", url, e.StartedDateTime, end)
			}
			took, err := e.Time.Float64()
			if err != nil {
				t.Fatal(err)
			}
			ends[url] = e.StartedDateTime.Add(time.Duration(took * float64(time.Millisecond)))
		}
		const busy, ok = "503 Service Unavailable", "200 OK"
		want := map[string][]string{
			"http://api.test/orders/1?busy=2": {busy, busy, ok},
			"http://api.test/orders/2":        {ok},
			"http://api.test/orders/3?busy=1": {busy, ok},
			"http://api.test/orders/4":        {ok},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts: -want +got\n%s", diff)
		}
	})
}
