// Package network is by what this process reaches others: this host's network,
// or what a context carries in its place. It opens no connection itself.
package network

import (
	"context"
	"net"
)

// Dialer opens connections, as a *net.Dialer does.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

type key struct{}

// With returns a context in which d is the network.
func With(ctx context.Context, d Dialer) context.Context {
	return context.WithValue(ctx, key{}, d)
}

// Of is the network of ctx, or this host's by otherwise.
func Of(ctx context.Context, otherwise *net.Dialer) Dialer {
	if d, given := ctx.Value(key{}).(Dialer); given {
		return d
	}
	return otherwise
}
