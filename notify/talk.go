package notify

import (
	"context"
	"errors"
	"net"

	"dvagent/internal/network"
)

// mostTalk is how many bytes a mail server may answer; the client keeps a line of
// any length.
const mostTalk = 1 << 20

var errTalk = errors.New("the server's answers do not end")

// talk is a connection that ends after mostTalk bytes were read.
type talk struct {
	net.Conn
	left int
}

func dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	conn, err := network.Of(ctx, new(net.Dialer)).DialContext(ctx, protocol, address)
	if err != nil {
		return nil, err
	}
	return &talk{conn, mostTalk}, nil
}

// Read is for net.Conn.
func (t *talk) Read(into []byte) (int, error) {
	if t.left <= 0 {
		return 0, errTalk
	}
	n, err := t.Conn.Read(into[:min(len(into), t.left)])
	t.left -= n
	return n, err
}
