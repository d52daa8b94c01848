package simulate

import (
	"net"
	"os"
	"sync"
	"time"
)

// packet is a datagram.
type packet struct {
	from net.Addr
	data []byte
}

// packets is a socket of datagrams in memory: a name server's, or a client's with
// a peer.
type packets struct {
	in    *internet
	local net.Addr
	peer  net.Addr // of a client; nil

	mu      sync.Mutex
	changed *sync.Cond
	inbox   []packet
	closed  bool
	read    deadline
}

func newPackets(in *internet, local, peer net.Addr) *packets {
	p := &packets{in: in, local: local, peer: peer}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// mostWaiting is how many datagrams a socket keeps; more are lost, as outside.
const mostWaiting = 256

func (p *packets) deliver(from net.Addr, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && len(p.inbox) < mostWaiting {
		p.inbox = append(p.inbox, packet{from, append([]byte{}, data...)})
		p.changed.Broadcast()
	}
}

func (p *packets) ReadFrom(into []byte) (int, net.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return 0, nil, net.ErrClosed
		case p.read.past():
			return 0, nil, os.ErrDeadlineExceeded
		case len(p.inbox) > 0:
			first := p.inbox[0]
			p.inbox = p.inbox[1:]
			return copy(into, first.data), first.from, nil
		}
		p.changed.Wait()
	}
}

func (p *packets) WriteTo(data []byte, to net.Addr) (int, error) {
	p.in.carry(p.local, to, data)
	return len(data), nil
}

func (p *packets) Read(into []byte) (int, error) {
	n, _, err := p.ReadFrom(into)
	return n, err
}

func (p *packets) Write(data []byte) (int, error) { return p.WriteTo(data, p.peer) }
func (p *packets) LocalAddr() net.Addr            { return p.local }
func (p *packets) RemoteAddr() net.Addr           { return p.peer }

func (p *packets) Close() error {
	p.mu.Lock()
	p.closed = true
	p.read.set(time.Time{}, p.changed.Broadcast)
	p.mu.Unlock()
	p.in.forget(p.local)
	return nil
}

func (p *packets) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *packets) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline is for net.PacketConn. A server's deadlines that are to come are
// not kept: it would wake every two seconds of the years.
func (p *packets) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && (p.peer != nil || t.IsZero() || !time.Now().Before(t)) {
		p.read.set(t, p.changed.Broadcast)
	}
	return nil
}
