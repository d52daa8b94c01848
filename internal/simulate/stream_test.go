package simulate

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// mostBuffered is how many bytes a stream takes before its writer waits.
const mostBuffered = 64 << 10

// stream is one direction of a connection in memory.
type stream struct {
	mu      sync.Mutex
	changed *sync.Cond
	data    []byte
	ended   error // that readers get once data is read; nil while it goes on
	read    deadline
	written deadline
}

func newStream() *stream {
	s := &stream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// deadline is until when something waits; zero: without end.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) past() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// set has who waits woken when the time is over.
func (d *deadline) set(at time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if left := time.Until(at); !at.IsZero() && left > 0 {
		d.timer = time.AfterFunc(left, wake)
	}
	wake()
}

func (s *stream) Read(into []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.read.past():
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0:
			n := copy(into, s.data)
			s.data = s.data[n:]
			s.changed.Broadcast()
			return n, nil
		case s.ended != nil:
			return 0, s.ended
		}
		s.changed.Wait()
	}
}

func (s *stream) Write(from []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(from) {
		room := mostBuffered - len(s.data)
		switch {
		case s.ended != nil:
			return n, io.ErrClosedPipe
		case s.written.past():
			return n, os.ErrDeadlineExceeded
		case room == 0:
			s.changed.Wait()
			continue
		}
		part := from[n:min(len(from), n+room)]
		s.data = append(s.data, part...)
		n += len(part)
		s.changed.Broadcast()
	}
	return n, nil
}

// end lets readers have err after what was written, and nobody write any more.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = err
	}
	s.read.set(time.Time{}, s.changed.Broadcast)
	s.written.set(time.Time{}, s.changed.Broadcast)
}

// set sets one of the deadlines of a stream that goes on.
func (s *stream) set(d *deadline, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		d.set(at, s.changed.Broadcast)
	}
}

// conn is one end of a connection in memory.
type conn struct {
	in, out       *stream
	local, remote net.Addr
}

// connect makes both ends of a connection.
func connect(from, to net.Addr) (near, far *conn) {
	forth, back := newStream(), newStream()
	return &conn{back, forth, from, to}, &conn{forth, back, to, from}
}

func (c *conn) Read(into []byte) (int, error)  { return c.in.Read(into) }
func (c *conn) Write(from []byte) (int, error) { return c.out.Write(from) }
func (c *conn) LocalAddr() net.Addr            { return c.local }
func (c *conn) RemoteAddr() net.Addr           { return c.remote }

func (c *conn) Close() error {
	c.out.end(io.EOF)
	c.in.end(net.ErrClosed)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.read, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.written, t)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
