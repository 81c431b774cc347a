package main

import "fmt"

// ownFiles is how many files the program itself may have open beside those of
// its requests: standard ones, input and output, the poller, resolvers.
const ownFiles = 16

// fitFiles lowers -limit to what the limit of open files allows, and returns a
// warning if it does. A request needs a connection, and a file with -dir.
func (o *options) fitFiles() (warning string) {
	files, ok := maxOpenFiles()
	if !ok {
		return ""
	}
	each := uint64(1)
	if o.dir != "" {
		each = 2
	}
	most := max(1, int((max(files, ownFiles)-ownFiles)/each))
	if o.limit <= most {
		return ""
	}
	warning = fmt.Sprintf("-limit %d is lowered to %d: this process may have %d files open (ulimit -n)", o.limit, most, files)
	o.limit = most
	return warning
}
