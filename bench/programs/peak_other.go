//go:build !unix

package main

import "os"

// peakMemory returns 0: it is not known.
func peakMemory(*os.ProcessState) float64 { return 0 }
