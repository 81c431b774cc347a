package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// peakMemory returns the peak of the resident memory of a process that runs, in bytes,
// when the process has ended. It asks the kernel every few milliseconds: what wait4
// reports of a process has the memory of the one that started it.
func peakMemory(pid int, ended <-chan struct{}) (peak float64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var kilobytes float64
			fmt.Sscan(after, &kilobytes)
			peak = max(peak, 1024*kilobytes)
		}
		select {
		case <-tick.C:
		case <-ended:
			return peak
		}
	}
}
