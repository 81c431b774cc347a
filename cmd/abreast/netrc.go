package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// A login is what a .netrc has for a machine.
type login struct{ user, password string }

// A netrc has the logins of a .netrc file, by host. The entry "" is the
// default.
//
// It is read here because the existing libraries are unmaintained. The format has three words that matter.
type netrc map[string]login

// auth returns a function for Client.Auth that adds the login of a host, or nil
// without -netrc.
func (o *options) auth() (func(*http.Request) error, error) {
	if !o.netrc {
		return nil, nil
	}
	name, err := netrcName()
	if err != nil {
		return nil, fmt.Errorf("-netrc: %w", err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("-netrc: %w", err)
	}
	logins := parseNetrc(string(text))
	return func(r *http.Request) error {
		l, ok := logins[r.URL.Hostname()]
		if !ok {
			l, ok = logins[""]
		}
		if ok && r.Header.Get("Authorization") == "" && r.URL.User == nil {
			r.SetBasicAuth(l.user, l.password)
		}
		return nil
	}, nil
}

// netrcName returns the name of the file: $NETRC, or .netrc in the home folder,
// or _netrc there.
func netrcName() (string, error) {
	if name := os.Getenv("NETRC"); name != "" {
		return name, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	for _, name := range []string{".netrc", "_netrc"} {
		name = filepath.Join(home, name)
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	return "", errors.New("there is no .netrc in " + home)
}

// parseNetrc returns the logins of a file. The first entry for a machine
// counts. Macros and accounts are skipped.
func parseNetrc(text string) netrc {
	all := make(netrc)
	machine, open := "", false
	var l login
	end := func() {
		if _, there := all[machine]; open && !there {
			all[machine] = l
		}
		l = login{}
	}
	inMacro := false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			inMacro = false // a macro ends with a blank line
		}
		for i := 0; i < len(words) && !inMacro; i++ {
			next := ""
			if i+1 < len(words) {
				next = words[i+1]
			}
			switch word := words[i]; {
			case word == "machine":
				end()
				machine, open = strings.ToLower(next), next != ""
				i++
			case word == "default":
				end()
				machine, open = "", true
			case word == "login":
				l.user = next
				i++
			case word == "password":
				l.password = next
				i++
			case word == "account":
				i++
			case word == "macdef":
				inMacro = true
			case strings.HasPrefix(word, "#"):
				i = len(words)
			}
		}
	}
	end()
	return all
}
