package main

import (
	"runtime"
	"time"
)

// usage is what this process has used so far.
type usage struct {
	at             time.Time
	cpu            time.Duration // user and system, of its children too
	peakRSS        int64         // bytes; of its largest child, if it had any
	mallocs, bytes uint64
}

func usageNow() (u usage, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.mallocs, u.bytes = m.Mallocs, m.TotalAlloc
	u.cpu, u.peakRSS, err = processUsage()
	u.at = time.Now()
	return u, err
}
