//go:build linux

package interop

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	all   = flag.Bool("all", false, "all checks of all servers, with all their requests")
	write = flag.Bool("write", false, "write the tables of README.md; wants -all")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *write && !*all {
		fmt.Fprintln(os.Stderr, "-write wants -all")
		os.Exit(2)
	}
	code := m.Run()
	os.RemoveAll(certsOnce.dir)
	if *write {
		if err := found.write("README.md"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// amount returns how many requests a check sends.
func amount(everything, quick int) int {
	if *all {
		return everything
	}
	return quick
}

// A check is one function, which is tried on each server that it fits.
type check struct {
	name string
	run  func(*testing.T, server, protocol) result
	slow bool              // takes seconds: see quick
	fits func(server) bool // nil: all servers
}

var checks = []check{
	{"load", checkLoad, false, nil},
	{"closing", checkClosing, true, func(s server) bool { return s.knows("Closing") }},
	{"reload", checkReload, true, func(s server) bool { return s.reload != 0 }},
	{"killed", checkKilled, true, nil},
	{"stopped", checkStopped, true, nil},
	{"password", checkPassword, false, func(s server) bool { return s.knows("Password") }},
	{"proxy down", checkProxyDown, false, func(s server) bool { return s.proxy != "" }},
	{"origin down", checkOriginDown, false, func(s server) bool { return s.proxy != "" }},
}

// quick reports whether a check is in the quick selection. Slow checks are for
// the first protocol of the first server alone.
func (c check) quick(s server, proto protocol) bool {
	return !c.slow || s.name == servers[0].name && proto == s.protocols[0]
}

func TestServers(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			version := s.versionOf(t)
			for _, proto := range s.protocols {
				for _, c := range checks {
					if c.fits != nil && !c.fits(s) || !*all && !c.quick(s, proto) {
						continue
					}
					t.Run(string(proto)+"/"+c.name, func(t *testing.T) {
						res := result{error: "FAILED"}
						defer func() {
							if t.Failed() {
								res.error = "FAILED"
							}
							res.serverVersion = version
							found.add(s, proto, c.name, res)
						}()
						res = c.run(t, s, proto)
					})
				}
			}
		})
	}
}
