package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// Error is a call of etcd that failed.
type Error struct {
	what string // that was tried
	kind kind
	err  error
}

type kind int

const (
	unreachable kind = iota // no member answers, or none that has a leader
	untrusted               // what answers is not known, or does not know us
	refused                 // the credentials, or what they allow
	dropped                 // what answers ends the connection after the handshake: it may not know us
	full                    // etcd takes nothing more
	other
)

func (e *Error) Error() string { return e.what + ": " + e.err.Error() }

func (e *Error) Unwrap() error { return e.err }

// Transient says that it may pass by itself.
func (e *Error) Transient() bool { return e.kind == unreachable || e.kind == dropped || e.kind == full }

// Rejected says that the credentials were not accepted.
func (e *Error) Rejected() bool { return e.kind == refused }

// Cause is the same for failures of one kind.
func (e *Error) Cause() string { return fmt.Sprintf("etcd %d", e.kind) }

// OperatorHint is for package hint.
func (e *Error) OperatorHint() string {
	switch e.kind {
	case unreachable:
		return "see whether etcd runs and this host reaches it; what is installed goes on being served"
	case untrusted, dropped:
		return "see ca_file, cert_file and key_file below [fleet], and the names in etcd's certificate"
	case refused:
		return "see username and password below [fleet], and the roles that etcd gives that user"
	case full:
		return "etcd takes nothing more: compact and defragment it, and disarm its alarm"
	}
	return ""
}

// failed sorts an error of the client. Where no connection came about, the reason for
// that says more than the client does.
func (f *Fleet) failed(what string, err error) *Error {
	e := &Error{what: what, kind: kindOf(err), err: err}
	if e.kind == unreachable {
		if reason := f.failures.last(); reason != nil {
			e.err = reason
		}
		switch {
		case isTLS(e.err):
			e.kind = untrusted
		case errors.Is(e.err, errDropped):
			e.kind = dropped
		}
	}
	if e.kind == refused {
		go f.Close() // the credentials are read anew by the next call
	}
	return e
}

func kindOf(err error) kind {
	switch rpctypes.Error(err) {
	case rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty:
		return refused
	case rpctypes.ErrNoSpace:
		return full
	}
	code := status.Code(err)
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		code = known.Code()
	}
	switch {
	case code == codes.PermissionDenied || code == codes.Unauthenticated:
		return refused
	case code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.ResourceExhausted || code == codes.Canceled,
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unreachable
	}
	return other
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

// failures is why the last connection did not come about; nil since a call has succeeded.
type failures struct {
	mu  sync.Mutex
	err error
}

func (f *failures) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failures) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *failures) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: callTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		f.note(err)
	}
	return conn, err
}

// watched notes why handshakes fail, which gRPC has in its texts alone.
func (f *failures) watched(security *tls.Config) credentials.TransportCredentials {
	return watched{credentials.NewTLS(security), f}
}

type watched struct {
	credentials.TransportCredentials
	failures *failures
}

func (w watched) ClientHandshake(ctx context.Context, name string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := w.TransportCredentials.ClientHandshake(ctx, name, conn)
	if err != nil {
		w.failures.note(err)
		return secured, info, err
	}
	return &heard{Conn: secured, failures: w.failures}, info, nil
}

// errDropped says that nothing came after the handshake.
var errDropped = errors.New("etcd ended the connection right after the handshake")

// heard notes what comes after the handshake in place of an answer: in TLS 1.3 a server
// sends its opinion of a client's certificate then, or just leaves.
type heard struct {
	net.Conn
	failures *failures
	answered atomic.Bool // something was read
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	switch {
	case isAlert(err):
		h.failures.note(err)
	case n > 0:
		h.answered.Store(true)
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
		h.failures.note(errDropped)
	}
}

func (w watched) Clone() credentials.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.failures}
}
