//go:build linux

package interop

import "syscall"

// servers has the origin servers and the reverse proxies.
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
		log:       "access.log", reload: syscall.SIGUSR1,
	},
	{
		name: "HAProxy", binary: "haproxy", pkg: "haproxy", version: "-v",
		args:      "-W -f {{.Dir}}/haproxy.cfg",
		protocols: []protocol{http1, https1, https2},
		reload:    syscall.SIGUSR2,
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
}
