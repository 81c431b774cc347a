//go:build linux

package interop

import (
	"regexp"
	"syscall"
)

// servers has the servers: reverse proxies, origin servers,
// proxies, and a resolver.
var servers = []server{
	{
		name: "nginx", binary: "nginx", pkg: "nginx-light", version: "-v",
		args:      "-e {{.Dir}}/error.log -c {{.Dir}}/nginx.conf",
		protocols: []protocol{http1, https1, https2},
		log:       "access.log", reload: syscall.SIGHUP,
	},
	{
		name: "Apache", binary: "apache2", pkg: "apache2", version: "-v",
		args:      "-D FOREGROUND -d {{.Dir}} -f {{.Dir}}/httpd.conf",
		protocols: []protocol{http1, https1, https2},
		log:       "access.log", reload: syscall.SIGUSR1, streams: 6,
	},
	{
		name: "HAProxy", binary: "haproxy", pkg: "haproxy", version: "-v",
		args:      "-W -f {{.Dir}}/haproxy.cfg",
		protocols: []protocol{http1, https1, https2},
		reload:    syscall.SIGUSR2,
	},
	{
		name: "lighttpd", binary: "lighttpd", pkg: "lighttpd lighttpd-mod-openssl", version: "-v",
		args:      "-D -f {{.Dir}}/lighttpd.conf",
		protocols: []protocol{http1, https1, https2},
		log:       "access.log", reload: syscall.SIGUSR1, streams: 8,
	},
	{
		name: "h2o", binary: "h2o", pkg: "h2o", version: "-v",
		args:      "-c {{.Dir}}/h2o.conf",
		protocols: []protocol{http1, https1, https2},
		log:       "access.log",
	},
	{
		name: "nghttpx", binary: "nghttpx", pkg: "nghttp2-proxy", version: "--version",
		args:      "--conf={{.Dir}}/nghttpx.conf",
		protocols: []protocol{http1, https1, https2},
		log:       "access.log",
	},
	{
		name: "nghttpd", binary: "nghttpd", pkg: "nghttp2-server", version: "--version", origin: true, silent: true,
		args:      "-v -a 127.0.0.1 -d {{.Dir}} --echo-upload {{.TLSPort}} {{.Cert}} {{.Cert}}",
		protocols: []protocol{https2},
		logged:    regexp.MustCompile(`:path: /[?]id=(\d+)`),
	},
	{
		name: "Varnish", binary: "varnishd", pkg: "varnish gcc libc6-dev", version: "-V",
		args:      "-F -j none -n {{.Dir}}/varnish -a 127.0.0.1:{{.Port}} -f {{.Dir}}/default.vcl -s malloc,16m",
		beside:    "varnishncsa -n {{.Dir}}/varnish -f {{.Dir}}/format",
		protocols: []protocol{http1},
		log:       "beside.log",
	},
	{
		name: "node", binary: "node", pkg: "nodejs", version: "--version", origin: true,
		args:      "{{.Dir}}/server.js",
		protocols: []protocol{http1, https1, https2},
	},
	{
		name: "gunicorn", binary: "gunicorn", pkg: "gunicorn", version: "--version", origin: true,
		args:      "-c {{.Dir}}/gunicorn.conf.py --chdir {{.Dir}} app:app",
		protocols: []protocol{http1},
		log:       "access.log", reload: syscall.SIGHUP,
	},
	{
		name: "uvicorn", binary: "uvicorn", pkg: "uvicorn", version: "--version", origin: true,
		args:      "--app-dir {{.Dir}} --host 127.0.0.1 --port {{.Port}} app:app",
		protocols: []protocol{http1},
	},
	{
		name: "PHP", binary: "php", pkg: "php-cli", version: "--version", origin: true, seats: 20, oneByOne: true,
		args:      "-S 127.0.0.1:{{.Port}} {{.Dir}}/router.php",
		protocols: []protocol{http1},
	},
	{
		name: "Python", binary: "/usr/bin/python3", pkg: "python3", version: "--version", origin: true, seats: 20,
		args:      "{{.Dir}}/server.py",
		protocols: []protocol{http1},
	},
	{
		name: "Squid", binary: "squid", pkg: "squid", version: "-v", proxy: "http",
		args:      "-N -f {{.Dir}}/squid.conf",
		protocols: []protocol{http1, https1, https2},
		log:       "access.log",
	},
	{
		name: "tinyproxy", binary: "tinyproxy", pkg: "tinyproxy", version: "-v", proxy: "http",
		args:      "-d -c {{.Dir}}/tinyproxy.conf",
		protocols: []protocol{http1, https1, https2},
	},
	{
		name: "microsocks", binary: "microsocks", pkg: "microsocks", proxy: "socks5",
		args:      "-i 127.0.0.1 -p {{.Port}} {{if .Password}}-u ann -P s3cret{{end}}",
		protocols: []protocol{http1, https1, https2},
	},
	{
		name: "dnsmasq", binary: "dnsmasq", pkg: "dnsmasq", version: "--version", resolver: true,
		args:      "-C {{.Dir}}/dnsmasq.conf",
		protocols: []protocol{http1},
	},
}
