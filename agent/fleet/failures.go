package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

// failures is why the last connection to a member did not come about, by its address;
// none: it did.
type failures struct {
	mu sync.Mutex
	by map[string]error
}

// note remembers what became of a connection; nil: it is well.
func (f *failures) note(address string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[string]error{}
	}
	if f.by[address] = err; err == nil {
		delete(f.by, address)
	}
}

// errSilent says that a member took the connection, and nothing came of the call.
var errSilent = errors.New("it does not answer")

// explain is what is known of each member after a call that none answered. What it says is
// of one kind, unless some member does not know us and another one is away: that may pass.
func (f *failures) explain(urls []string, err error) (is, also kind, all error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kinds := map[kind]bool{}
	for _, url := range urls {
		_, address, _ := strings.Cut(url, "://")
		reason, failed := f.by[address]
		switch {
		case !failed && len(urls) == 1:
			return unreachable, unreachable, err
		case !failed:
			reason = errSilent
		}
		kinds[kindOfFailure(reason)] = true
		switch {
		case len(urls) == 1:
			all = reason
		case all == nil:
			all = fmt.Errorf("%s: %w", address, reason)
		default:
			all = fmt.Errorf("%w; %s: %w", all, address, reason)
		}
	}
	for is = range kinds {
		also = is
	}
	if len(kinds) > 1 {
		is, also = unreachable, untrusted
	}
	return is, also, all
}

// kindOfFailure is what a connection failed for.
func kindOfFailure(err error) kind {
	switch {
	case isTLS(err):
		return untrusted
	case errors.Is(err, errDropped):
		return dropped
	}
	return unreachable
}

// isTLS says that the two sides do not know each other.
func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &record) || errors.Is(err, errPair) || isAlert(err)
}

// isAlert says that the other side has refused the handshake.
func isAlert(err error) bool {
	var from *net.OpError
	return errors.As(err, &from) && from.Op == "remote error"
}

// dialed is a connection to the member of an address.
type dialed struct {
	net.Conn
	address string
}

func (f *failures) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: callTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		f.note(address, err)
		return nil, err
	}
	return dialed{conn, address}, nil
}

// watched notes why handshakes fail, which gRPC has in its texts alone.
func (f *failures) watched(security credentials.TransportCredentials) credentials.TransportCredentials {
	return watched{security, f}
}

type watched struct {
	credentials.TransportCredentials
	failures *failures
}

func (w watched) ClientHandshake(ctx context.Context, name string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	address := conn.(dialed).address
	secured, info, err := w.TransportCredentials.ClientHandshake(ctx, name, conn)
	if err != nil {
		w.failures.note(address, err)
		return secured, info, err
	}
	return &heard{Conn: secured, failures: w.failures, address: address}, info, nil
}

// errDropped says that nothing came after the handshake.
var errDropped = errors.New("etcd ended the connection right after the handshake")

// heard notes what comes after the handshake in place of an answer: in TLS 1.3 a server
// sends its opinion of a client's certificate then, or just leaves.
type heard struct {
	net.Conn
	failures *failures
	address  string
	answered atomic.Bool // something was read
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	switch {
	case isAlert(err):
		h.failures.note(h.address, err)
	case n > 0:
		if !h.answered.Swap(true) {
			h.failures.note(h.address, nil)
		}
	case err != nil:
		h.dropped(err)
	}
	return n, err
}

func (h *heard) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if err != nil {
		h.dropped(err)
	}
	return n, err
}

func (h *heard) dropped(err error) {
	if !h.answered.Load() && !errors.Is(err, net.ErrClosed) {
		h.failures.note(h.address, errDropped)
	}
}

func (w watched) Clone() credentials.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.failures}
}
