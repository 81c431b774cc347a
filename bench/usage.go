package main

import (
	"runtime"
	"time"
)

// usage is what this process has used until now.
type usage struct {
	at             time.Time
	cpu            time.Duration // user and system, including child processes
	peakRSS        int64         // bytes; of the largest child process, if there was one
	mallocs, bytes uint64
}

// usageNow returns the usage until now.
func usageNow() (u usage, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.mallocs, u.bytes = m.Mallocs, m.TotalAlloc
	u.cpu, u.peakRSS, err = processUsage()
	u.at = time.Now()
	return u, err
}
