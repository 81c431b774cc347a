package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// A jar keeps the cookies that servers set, and can write them to a file. It
// uses the public suffix list, so that one site cannot set cookies for another.
type jar struct {
	*cookiejar.Jar

	mu   sync.Mutex // guards set
	set  map[cookieKey]cookie
	keys []cookieKey // of set, in the order of their first appearance
}

type cookieKey struct{ domain, path, name string }

// A cookie is a line of a file of cookies.
type cookie struct {
	value     string
	subdomain bool // it is also for the subdomains of its domain
	secure    bool
	httpOnly  bool
	expires   time.Time // zero: with the session
}

// openJar returns the jar that -b FILE and -c ask for, or nil. A -b that has an
// "=" is no file: it is added to the header of all requests.
func (o *options) openJar() (*jar, error) {
	var files, values []string
	for _, b := range o.cookies {
		if strings.Contains(b, "=") {
			values = append(values, b)
		} else {
			files = append(files, b)
		}
	}
	if values != nil {
		o.header.Set("Cookie", strings.Join(append(o.header.Values("Cookie"), values...), "; "))
	}
	if files == nil && o.cookieFile == "" {
		return nil, nil
	}
	j := &jar{set: make(map[cookieKey]cookie)}
	j.Jar, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // New never fails
	for _, name := range files {
		if err := j.load(name); err != nil {
			return nil, fmt.Errorf("-b: %w", err)
		}
	}
	return j, nil
}

// SetCookies keeps the cookies of a response.
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.Jar.SetCookies(u, cookies)
	for _, c := range cookies {
		key := cookieKey{strings.TrimPrefix(strings.ToLower(c.Domain), "."), c.Path, c.Name}
		if key.domain == "" {
			key.domain = u.Hostname()
		}
		if !strings.HasPrefix(key.path, "/") {
			key.path = u.Path[:strings.LastIndexByte("/"+u.Path, '/')]
			if !strings.HasPrefix(key.path, "/") {
				key.path = "/"
			}
		}
		kept := cookie{value: c.Value, subdomain: c.Domain != "", secure: c.Secure, httpOnly: c.HttpOnly, expires: c.Expires}
		if c.MaxAge > 0 {
			kept.expires = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
		}
		j.keep(key, kept, c.MaxAge < 0 || !kept.expires.IsZero() && kept.expires.Before(time.Now()))
	}
}

func (j *jar) keep(key cookieKey, c cookie, over bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, there := j.set[key]
	switch {
	case over:
		delete(j.set, key)
	case !there:
		j.keys = append(j.keys, key)
		fallthrough
	default:
		j.set[key] = c
	}
}

// A file of cookies has one on each line, in the format of Netscape and curl:
// domain, whether it is for subdomains, path, whether it is for https only, the
// Unix time when it expires, name and value, with tabs between them.
const (
	cookieHead     = "# Netscape HTTP Cookie File\n"
	httpOnlyPrefix = "#HttpOnly_"
)

// load adds the cookies of a file.
func (j *jar) load(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		text, httpOnly := strings.CutPrefix(scan.Text(), httpOnlyPrefix)
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(text, "\r"), "\t")
		if len(fields) != 7 {
			return fmt.Errorf("%s: line %d is not a cookie: 7 fields with tabs between them are needed", name, n)
		}
		expires, err := strconv.ParseInt(fields[4], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: line %d is not a cookie: field 5 is a time in seconds", name, n)
		}
		c := &http.Cookie{Name: fields[5], Value: fields[6], Path: fields[2], Secure: fields[3] == "TRUE", HttpOnly: httpOnly}
		host := strings.TrimPrefix(fields[0], ".")
		if fields[1] == "TRUE" {
			c.Domain = host
		}
		if expires > 0 {
			c.Expires = time.Unix(expires, 0)
		}
		scheme := "http"
		if c.Secure {
			scheme = "https"
		}
		j.SetCookies(&url.URL{Scheme: scheme, Host: host, Path: c.Path}, []*http.Cookie{c})
	}
	return scan.Err()
}

// save writes the cookies to a file that only its owner can read.
func (j *jar) save(name string) error {
	var b strings.Builder
	b.WriteString(cookieHead)
	upper := func(v bool) string { return strings.ToUpper(strconv.FormatBool(v)) }
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, key := range j.keys {
		c, ok := j.set[key]
		if !ok {
			continue
		}
		var expires int64
		if !c.expires.IsZero() {
			expires = c.expires.Unix()
		}
		domain := key.domain
		if c.subdomain {
			domain = "." + domain
		}
		if c.httpOnly {
			b.WriteString(httpOnlyPrefix)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", domain, upper(c.subdomain), key.path, upper(c.secure), expires, key.name, c.value)
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("-c: %w", err)
	}
	return nil
}
