package issue

import (
	"context"
	"iter"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/internal/bundle"
)

// Issuer sells certificates: one account at one API. One is made for a pass.
type Issuer interface {
	// Slots lists what an order can be placed on, every page, in the order in which
	// they are to be used.
	Slots(ctx context.Context) ([]Slot, error)
	// Submit places an order on a slot. It is not idempotent: after a Fault that
	// MayHaveBeenApplied, ask Report.
	Submit(ctx context.Context, slot string, a Application) (Receipt, error)
	// Report reads how the order on a slot stands. order is what Submit returned.
	Report(ctx context.Context, slot, order string) (Report, error)
}

// Shelf is an Issuer that keeps what it issued, with the keys that it made.
type Shelf interface {
	// Stored yields the certificates that may cover the names. One that turns out
	// to be without its key, or not to be readable, is passed over.
	Stored(ctx context.Context, names []string) iter.Seq2[Stored, error]
}

// Stored is a certificate on a Shelf.
type Stored struct {
	ID     string // the account's
	Bundle *bundle.Bundle
}

// Slot is what an order can be placed on, such as an instance that was bought.
type Slot struct {
	ID  string
	Use Use
}

// Use is what a slot is used for at present.
type Use int

// The uses of a slot.
const (
	Spent   Use = iota // by an order that ended, or nothing that can be ordered with
	Free               // it takes an order now
	Busy               // an order is being checked
	Refused            // its order was refused; it takes the same one again
)

// Application is what a CA wants to know of an order.
type Application struct {
	Names   []string // A-labels, wildcards as "*.example.com"
	Contact config.Contact
}

// Receipt is the answer to a submission.
type Receipt struct {
	Request string // the id of the request, for support
	Order   string // the server's own id of the order, or ""
}

// Report is how an order stands.
type Report struct {
	State      State
	Said       string            // the issuer's own word, in lower case
	Challenges []order.Challenge // what the CA wants to see; may be empty for minutes
	Chain, Key []byte            // PEM, once they can be had; Key is secret
}

// State is how far an issuer says that an order has come.
type State int

// The states of an order.
const (
	Other     State = iota // a word that is not known: wait
	Unused                 // nothing was submitted on the slot
	Proving                // the CA validates it now
	Issued                 // its certificate exists, and may still take a while to be had
	CARefused              // the CA refused the validation
)

// fetched says that the certificate is there with its key.
func (r Report) fetched() bool { return r.State == Issued && len(r.Chain) > 0 && len(r.Key) > 0 }

// Fault is an error of an Issuer that says what it means for an order.
type Fault interface {
	error
	// MayHaveBeenApplied says that the server must be asked before the call is repeated.
	MayHaveBeenApplied() bool
	// Transient says that the same call may succeed later without anyone's help.
	Transient() bool
	// Refused says that the server said no, with a code of its own.
	Refused() (code string, yes bool)
	// Rejected says that the credentials are not accepted.
	Rejected() bool
}
