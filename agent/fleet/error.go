package fleet

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is a call of etcd that failed.
type Error struct {
	what string // that was tried
	kind kind
	err  error
	also kind // of another member, where one is unreachable
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
	if e.also != e.kind {
		return e.kind.hint() + "; " + e.also.hint()
	}
	return e.kind.hint()
}

func (k kind) hint() string {
	switch k {
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

// failed sorts an error of the client, or of making one (nil). Where no connection came
// about, the reasons for that say more than the client does. A client whose credentials
// were refused is of no use any more: the next call makes another one, of those that are
// there then.
func (f *Fleet) failed(client *clientv3.Client, what string, err error) *Error {
	e := &Error{what: what, kind: kindOf(err), err: err}
	e.also = e.kind
	if e.kind == unreachable {
		e.kind, e.also, e.err = f.failures.explain(f.settings.Etcd, err)
	}
	if e.kind == refused && !isDenied(err) && client != nil {
		f.drop(client)
	}
	return e
}

// isDenied says that the credentials are accepted, and do not allow what was asked.
func isDenied(err error) bool {
	return rpctypes.Error(err) == rpctypes.ErrPermissionDenied || codeOf(err) == codes.PermissionDenied
}

func codeOf(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

func kindOf(err error) kind {
	switch rpctypes.Error(err) {
	case rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty:
		return refused
	case rpctypes.ErrNoSpace:
		return full
	}
	switch code := codeOf(err); {
	case code == codes.PermissionDenied || code == codes.Unauthenticated:
		return refused
	case code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.ResourceExhausted || code == codes.Canceled,
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unreachable
	}
	return other
}
