package aliyun

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind says what a failed call means for the caller.
type Kind int

const (
	Refused        Kind = iota // the server said no with a Code; nothing was done
	Unanswered                 // no intelligible answer: a write may have been applied
	Unavailable                // 5xx, or a Code that says as much: a write may have been applied
	Replayed                   // SignatureNonceUsed: an earlier try of the same write may have been applied
	Throttled                  // too many requests: later
	Busy                       // LastOperationNotFinished and its kin: later
	ClockOff                   // the local clock is too far from the server's; Hint says by how much
	Credential                 // the access key or token is not accepted
	Forbidden                  // a RAM permission is missing; Hint names the action
	NotFound                   // the thing asked about does not exist
	Duplicate                  // DomainRecordDuplicate, or a certificate name that exists
	WrongState                 // refused as the instance or order stands: read it, then decide
	Exhausted                  // refused for want of quota
	VersionUnknown             // refused for want of such an API version or action at the endpoint
	WrongZone                  // the zone is not this account's
	Malformed                  // answered, but a required field is missing or senseless (reads)
	Local                      // never sent: configuration, credentials that cannot be read, a cancelled context
	Unreachable                // never sent, for want of a connection or a session: later
)

var kindNames = [...]string{"Refused", "Unanswered", "Unavailable", "Replayed", "Throttled", "Busy",
	"ClockOff", "Credential", "Forbidden", "NotFound", "Duplicate",
	"WrongState", "Exhausted", "VersionUnknown", "WrongZone", "Malformed", "Local", "Unreachable"}

// String is the constant's name.
func (k Kind) String() string { return kindNames[k] }

// Error is the one error type of this package's calls. Error() is a single
// line without secrets, server text quoted.
type Error struct {
	Operation string // the API's action, such as CreateDVOrderAudit
	Kind      Kind
	Code      string // the server's, may be empty
	Message   string // the server's, without secrets and URLs, 300 bytes at most
	RequestID string
	Status    int    // HTTP status, 0 without an answer
	Hint      string // what the operator can do; may be empty
	Err       error  // the cause when it is not the server's Code
}

// Is says that err is a failure of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains(kinds, e.Kind)
}

// Error is such as
//
//	CreateDVOrderAudit: NotFound (404): "no such instance" (request 5D97)
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Operation, cmp.Or(plain(e.Code), e.Kind.String()))
	if e.Status != 0 {
		fmt.Fprintf(&b, " (%d)", e.Status)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %q", e.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", oneLine(redact(e.Err.Error(), nil)))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", plain(e.RequestID))
	}
	return b.String()
}

// Unwrap is the cause: a context's error, or net/http's.
func (e *Error) Unwrap() error { return e.Err }

// MayHaveBeenApplied says that a write must be asked about before it is repeated.
func (e *Error) MayHaveBeenApplied() bool {
	return e.Kind == Unanswered || e.Kind == Unavailable || e.Kind == Replayed
}

// Transient says that the same call may succeed later without anyone's help.
func (e *Error) Transient() bool { return e.worthAnotherTry() || e.Kind == Malformed }

// Refused says that the server said no to what was asked, with a Code of its own.
func (e *Error) Refused() (code string, yes bool) {
	switch e.Kind {
	case Refused, NotFound, WrongState, Exhausted, VersionUnknown:
		return e.Code, true
	}
	return e.Code, false
}

// Rejected says that the access key or token is not accepted.
func (e *Error) Rejected() bool { return e.Kind == Credential }

// Cause is the same for two failures of which the second is no news: it leaves
// out the id of the request, and the ports of a connection.
func (e *Error) Cause() string {
	said := *e
	said.RequestID, said.Err = "", nil
	return said.Error()
}

// short is the error without what the server said beside its Code.
func (e *Error) short() error {
	said := *e
	said.RequestID, said.Message, said.Err = "", "", nil
	return errors.New(said.Error())
}

// worthAnotherTry says that a read may be repeated at once.
func (e *Error) worthAnotherTry() bool {
	switch e.Kind {
	case Unanswered, Unavailable, Replayed, Throttled, Busy, Unreachable:
		return true
	}
	return false
}

// OperatorHint is Hint, for package hint.
func (e *Error) OperatorHint() string { return e.Hint }

func local(operation string, err error) *Error {
	return &Error{Operation: operation, Kind: Local, Err: err}
}

// asError keeps a nil *Error from becoming an error that is not nil.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

// plain is s when it is one printable word, as codes and request ids are, and
// quoted when a server put something else there.
func plain(s string) string {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return fmt.Sprintf("%.66q", s)
		}
	}
	if len(s) > 64 {
		return s[:64]
	}
	return s
}

// oneLine leaves s without control characters.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
