package recipes

import "testing"

func TestPublicOnly(t *testing.T) {
	for address, ok := range map[string]bool{
		"93.184.215.14:80":                       true,
		"[::ffff:93.184.215.14]:80":              true,
		"172.32.0.1:80":                          true,
		"[2606:2800:21f:cb07:6820:80da:0:1]:443": true,
		"[2001:4860:4860::8888]:443":             true,
		"[2606:2800:21f:cb07:6820:80da:0:1]:":    false, // no port
		"127.0.0.1:80":                           false,
		"127.9.9.9:80":                           false,
		"[::1]:80":                               false,
		"0.0.0.0:80":                             false,
		"0.1.2.3:80":                             false,
		"[::]:80":                                false,
		"10.0.0.1:80":                            false,
		"172.16.0.1:80":                          false,
		"172.31.255.255:80":                      false,
		"192.168.1.1:80":                         false,
		"169.254.169.254:80":                     false,
		"[fe80::1%eth0]:80":                      false,
		"[fd00::1]:80":                           false,
		"[fd00:ec2::254]:80":                     false,
		"100.64.0.1:80":                          false,
		"100.100.100.200:80":                     false,
		"192.0.0.1:80":                           false,
		"198.19.0.1:80":                          false,
		"224.0.0.1:80":                           false,
		"255.255.255.255:80":                     false,
		"[ff02::1]:80":                           false,
		"[::ffff:127.0.0.1]:80":                  false,
		"[::ffff:169.254.169.254]:80":            false,
		"[::127.0.0.1]:80":                       false,
		"[fec0::1]:80":                           false,
		"[64:ff9b::7f00:1]:80":                   false,
		"[2002:7f00:1::]:80":                     false,
		"[2001:0:7f00:1::]:80":                   false,
		"/run/docker.sock":                       false,
	} {
		if err := publicOnly("tcp", address, nil); (err == nil) != ok {
			t.Errorf("a connection to %s: %v; want it allowed: %v", address, err, ok)
		}
	}
}
