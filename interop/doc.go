// Package interop tests abreast against real servers and proxies. It has no
// code but its tests. They start the servers of Debian's packages on loopback,
// and skip those that are not installed:
//
//	go test -C interop ./...                 # a quick selection
//	go test -C interop ./... -args -all      # everything
//
// With -all -write they write the tables of README.md anew.
//
// To add a server, add an entry to the table in servers_test.go, and a folder
// with its configuration to testdata.
package interop
