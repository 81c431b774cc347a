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
	write = flag.Bool("write", false, "write what is found into the tables of README.md; wants -all")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *write && !*all {
		fmt.Fprintln(os.Stderr, "-write wants -all")
		os.Exit(2)
	}
	if os.Getenv(noProxyURL) != "" {
		printRoutes()
		return
	}
	adopt()
	code := m.Run()
	os.RemoveAll(certsOnce.dir)
	os.RemoveAll(programOnce.dir)
	os.Exit(code)
}

// amount returns how many requests a check sends.
func amount(everything, quick int) int {
	if *all {
		return everything
	}
	return quick
}

// A check is one function, which is tried on each server and protocol that it
// fits.
type check struct {
	name string
	run  func(*testing.T, server, protocol) result
	slow bool // takes seconds: see quick
	fits func(server, protocol) bool
}

var checks = []check{
	{"load", checkLoad, false, isWeb},
	{"closing", checkClosing, true, ifKnows("Closing")},
	{"reload", checkReload, true, func(s server, _ protocol) bool { return s.reload != 0 }},
	{"killed", checkKilled, true, isWeb},
	{"stopped", checkStopped, true, isWeb},
	{"ended", checkEnded, false, isWeb},
	{"program", checkProgram, false, func(s server, p protocol) bool { return isWeb(s, p) && p != https1 }},
	{"expect", checkExpect, true, isWeb},
	{"too large", checkTooLarge, false, ifKnows("MaxBody")},
	{"rate", checkRate, true, ifKnows("Rate")},
	{"encoding", checkEncoding, false, isReverse},
	{"TLS", checkTLS, false, func(s server, p protocol) bool { return p.overTLS() && s.knows("TLS12") }},
	{"password", checkPassword, false, ifKnows("Password")},
	{"proxy down", checkProxyDown, false, isProxy},
	{"proxy silent", checkProxySilent, false, isProxy},
	{"origin down", checkOriginDown, false, isProxy},
	{"NO_PROXY", checkNoProxy, false, func(s server, p protocol) bool { return s.name == "Squid" && p == http1 }},
	{"addresses", checkAddresses, false, func(s server, _ protocol) bool { return s.resolver }},
}

func isWeb(s server, _ protocol) bool   { return !s.resolver }
func isProxy(s server, _ protocol) bool { return s.proxy != "" }

func isReverse(s server, _ protocol) bool { return !s.resolver && !s.origin && s.proxy == "" }

func ifKnows(field string) func(server, protocol) bool {
	return func(s server, _ protocol) bool { return s.knows(field) }
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
					if !c.fits(s, proto) || !*all && !c.quick(s, proto) {
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
		if *write {
			if err := found.write("README.md"); err != nil {
				t.Error(err)
			}
		}
	}
}
