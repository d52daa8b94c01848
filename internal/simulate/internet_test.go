package simulate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// internet carries what listens and dials within a simulation.
type internet struct {
	mu        sync.Mutex
	port      uint16 // the last one that was given
	listeners map[string]*listener
	sockets   map[string]*packets
	dead      map[string]bool // addresses that swallow what they are sent
}

func newInternet() *internet {
	return &internet{port: 20000, listeners: map[string]*listener{}, sockets: map[string]*packets{}, dead: map[string]bool{}}
}

// kill says that an address swallows all that it is sent, or does so no more.
func (n *internet) kill(address string, dead bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead[address] = dead
}

// place is the address with a port that is free where it names none; the caller
// holds the lock.
func (n *internet) place(address string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(address)
	if err == nil && at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), n.nextPort())
	}
	return at, err
}

// nextPort is a port that nobody else has, as long as they do not wrap around
// within a day; the caller holds the lock.
func (n *internet) nextPort() uint16 {
	if n.port++; n.port == 0 {
		n.port = 30000
	}
	return n.port
}

// listener is an address in memory that takes connections.
type listener struct {
	in      *internet
	address net.Addr
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Listen is net.Listen.
func (n *internet) Listen(_, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, err := n.place(address)
	if err != nil {
		return nil, err
	}
	if n.listeners[at.String()] != nil {
		return nil, fmt.Errorf("listen on %s: %w", at, syscall.EADDRINUSE)
	}
	l := &listener{in: n, address: net.TCPAddrFromAddrPort(at), waiting: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[at.String()] = l
	return l, nil
}

// Accept is for net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr is for net.Listener.
func (l *listener) Addr() net.Addr { return l.address }

// Close is for net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.in.mu.Lock()
		defer l.in.mu.Unlock()
		delete(l.in.listeners, l.address.String())
	})
	return nil
}

// ListenPacket is net.ListenPacket.
func (n *internet) ListenPacket(_, address string) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, err := n.place(address)
	if err != nil {
		return nil, err
	}
	p := newPackets(n, net.UDPAddrFromAddrPort(at), nil)
	n.sockets[at.String()] = p
	return p, nil
}

// DialContext is net.Dialer's.
func (n *internet) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	here := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), n.nextPort())
	l, dead := n.listeners[address], n.dead[address]
	n.mu.Unlock()
	if network == "udp" {
		return n.dialPacket(here, address)
	}
	if dead {
		return nil, unanswered(ctx, network)
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	near, far := connect(net.TCPAddrFromAddrPort(here), l.address)
	select {
	case l.waiting <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
}

// unanswered is what comes of a call that nobody takes.
func unanswered(ctx context.Context, network string) error {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
	}
	return &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
}

func (n *internet) dialPacket(here netip.AddrPort, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := newPackets(n, net.UDPAddrFromAddrPort(here), net.UDPAddrFromAddrPort(to))
	n.sockets[here.String()] = p
	return p, nil
}

// carry brings a datagram to who has the address, if anybody does.
func (n *internet) carry(from, to net.Addr, data []byte) {
	n.mu.Lock()
	p, dead := n.sockets[to.String()], n.dead[to.String()]
	n.mu.Unlock()
	if p != nil && !dead {
		p.deliver(from, data)
	}
}

func (n *internet) forget(address net.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sockets, address.String())
}

// cable is the way to the internet of somebody whose calls can be cut off.
type cable struct {
	*internet
	cut   atomic.Bool
	calls atomic.Int64
}

func (c *cable) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c.calls.Add(1)
	if c.cut.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
	}
	return c.internet.DialContext(ctx, network, address)
}
