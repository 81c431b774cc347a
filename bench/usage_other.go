//go:build !unix

package main

import (
	"errors"
	"time"
)

func processUsage() (cpu time.Duration, peakRSS int64, err error) {
	return 0, 0, errors.New("bench needs getrusage, which this system does not have")
}

func memory(string) (rss int64, ok bool) { return 0, false }
