package network_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"dvagent/internal/network"
)

var errNowhere = errors.New("there is no network here")

// nowhere reaches nobody, and notes who was called.
type nowhere struct{ called []string }

func (n *nowhere) DialContext(_ context.Context, protocol, address string) (net.Conn, error) {
	n.called = append(n.called, protocol+" "+address)
	return nil, errNowhere
}

func TestAContextCarriesTheNetworkThatItWasGivenLast(t *testing.T) {
	first, last := &nowhere{}, &nowhere{}
	ctx := network.With(network.With(t.Context(), first), last)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := network.Of(ctx, &net.Dialer{}).DialContext(ctx, "tcp", "192.0.2.1:443")
	if !errors.Is(err, errNowhere) || len(first.called) > 0 || len(last.called) != 1 || last.called[0] != "tcp 192.0.2.1:443" {
		t.Errorf("%v; the first was asked for %q, the last for %q", err, first.called, last.called)
	}
}

func TestWithoutAnotherItIsTheNetworkOfThisHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := &net.Dialer{}
	if network.Of(t.Context(), own) != network.Dialer(own) {
		t.Error("it is another dialer than the one that was given")
	}
	c, err := network.Of(t.Context(), own).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
