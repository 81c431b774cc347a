package parallel

import (
	"context"
	"net"

	"github.com/abreast-go/abreast/internal/conns"
)

// DialContext does what client.DialContext does, for programs that don't import
// package client.
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return conns.DialContext(dial)
}
