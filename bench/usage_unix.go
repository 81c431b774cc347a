//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// processUsage returns the CPU time and the peak memory of this process.
func processUsage() (cpu time.Duration, peakRSS int64, err error) {
	var self, children syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return 0, 0, err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		return 0, 0, err
	}
	for _, t := range []syscall.Timeval{self.Utime, self.Stime, children.Utime, children.Stime} {
		cpu += time.Duration(t.Nano())
	}
	if children.Maxrss > 0 {
		return cpu, maxRSS(children), nil
	}
	if rss, ok := memory("VmHWM"); ok {
		return cpu, rss, nil
	}
	return cpu, maxRSS(self), nil
}

// maxRSS returns Maxrss in bytes. Linux and the BSDs report KiB, macOS bytes.
func maxRSS(u syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) * kib
}

// memory returns a number of Linux's own for this program: its memory in use
// (VmRSS) or the peak of that (VmHWM), in bytes. Rusage.Maxrss is at least that
// of the process that started this one, as it was at that time.
func memory(name string) (rss int64, ok bool) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), name+": %d kB", &rss); n == 1 {
			return rss * kib, true
		}
	}
	return 0, false
}
