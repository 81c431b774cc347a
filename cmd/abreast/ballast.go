package main

// ballastSize is how much the heap seems to be larger than it is.
const ballastSize = 8 << 20

// ballast is memory that is never touched, and so takes no room. The garbage
// collector runs when the heap has doubled. The live heap of the program is a
// few megabytes, which it would double 50 times a second, and each time the
// collector looks at the stacks of hundreds of goroutines: a fifth of all
// processor time. With a ballast it waits for ballastSize more. (A higher GOGC
// would do the same, and would multiply the memory of large bodies as well.)
var ballast = make([]byte, ballastSize)
