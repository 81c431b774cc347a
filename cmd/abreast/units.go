package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/abreast-go/abreast/cmd/abreast/lines"
)

// seconds is a flag with a time: 5, 0.5, 500ms, 2m. Without a unit it is in
// seconds, as with curl.
type seconds time.Duration

func (s *seconds) String() string { return time.Duration(*s).String() }

func (s *seconds) Set(text string) error {
	d, err := lines.ParseSeconds(text)
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	*s = seconds(d)
	return err
}

// size is a flag with a number of bytes: 500, 20k, 20M, 1.5G. The units are
// those of curl and wget: 1024, 1024² and 1024³.
type size int64

func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

func (s *size) Set(text string) error {
	number, unit := text, 1.0
	if n := len(number); n > 0 && number[n-1]&^0x20 == 'B' { // 20MB, 20MiB
		number = strings.TrimSuffix(number[:n-1], "i")
	}
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]&^0x20); i >= 0 {
			number, unit = number[:n-1], math.Pow(1024, float64(i+1))
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || n*unit > 1<<60 {
		return errors.New("a number of bytes is needed, such as 500, 20k or 20M")
	}
	*s = size(n * unit)
	return nil
}

// A frequency is a flag with a number for a period: 10/s, 500/m, 1000/h.
// Without a period it is for one of per.
type frequency struct {
	per   time.Duration
	limit rate.Limit // for a second; 0: no limit
}

func (f *frequency) String() string { return "" }

func (f *frequency) Set(text string) error {
	number, period, given := strings.Cut(text, "/")
	per := f.per
	if given {
		per = map[string]time.Duration{"s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour}[strings.TrimSpace(period)]
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0) || math.IsInf(n, 0) || per == 0 {
		return errors.New("a rate is needed, such as 10/s, 500/m or 1000/h")
	}
	f.limit = rate.Limit(n / per.Seconds())
	return nil
}

// A repeated is a flag that may be repeated. Set accepts any value: package
// flag would quote one that is refused, and this one may be a password.
type repeated []string

func (r *repeated) String() string     { return "" }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }
