package parallel

import (
	"context"
	"net"

	"github.com/abreast-go/abreast/internal/conns"
)

// DialContext returns a dial function for a custom transport, like
// client.DialContext. It is for programs that do not import package client.
func DialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return conns.DialContext(dial)
}
