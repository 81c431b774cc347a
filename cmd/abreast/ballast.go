package main

// ballastSize is how much the heap seems to be larger than it is.
const ballastSize = 8 << 20

// ballast is memory that is never touched, and so takes no room. It makes the
// garbage collector run less often. The collector runs when the heap has
// doubled. The live heap of the program is a few megabytes, which it doubles 50
// times a second. Each time, the collector looks at the stacks of hundreds of
// goroutines. That took a fifth of all processor time. With a ballast, it waits
// for ballastSize more. A higher GOGC would do the same, but would multiply the
// memory of large bodies as well.
var ballast = make([]byte, ballastSize)
