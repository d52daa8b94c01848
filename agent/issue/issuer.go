package issue

import (
	"context"
	"crypto/x509"
	"iter"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/internal/bundle"
)

// Shop is where an order is placed.
type Shop struct {
	Account string
	API     string // "" is the account's own, which the server may have to be asked for
	Package string // the ProductCode of certificates that were bought in stock, or ""
}

// Issuer sells certificates in one shop. One is made for a pass.
type Issuer interface {
	// Terms say what its orders have in common.
	Terms() Terms
	// Submit places an order. It is not idempotent: after a Fault that
	// MayHaveBeenApplied, ask Report.
	Submit(ctx context.Context, t Ticket, a Application) (Receipt, error)
	// Report reads how an order stands.
	Report(ctx context.Context, t Ticket) (Report, error)
}

// Catalogue is an Issuer whose orders are each placed on something that was
// bought for it.
type Catalogue interface {
	Issuer
	// Slots lists what an order can be placed on, every page, in the order in which
	// they are to be used.
	Slots(ctx context.Context) ([]Slot, error)
}

// Lister is an Issuer whose list tells of many orders at once that something moved.
type Lister interface {
	// Signs reads what the list says of each slot. What it says differently than
	// before is worth a Report; more must not be made of it.
	Signs(ctx context.Context) (map[string]Sign, error)
}

// Sign is what a list says of a slot.
type Sign struct {
	Said string // in words that are compared only
	Busy bool   // an order is being checked

	Certificate string // the latest certificate, by the account's id, if it is valid; or ""
}

// Package is an Issuer that takes its orders from a stock. The server knows an
// order by nothing that was sent with it: what of it was lost is found by
// comparing the stock with before.
type Package interface {
	Issuer
	// Stock reads what the package shows of itself, and of its orders for exactly
	// those names.
	Stock(ctx context.Context, names []string) (Stock, error)
}

// Stock is what a Package shows.
type Stock struct {
	Total, Used int // bought; taken by orders, whatever became of them
	Orders      []StockOrder
}

// StockOrder is one order of a Package, whoever placed it.
type StockOrder struct {
	ID      string
	Running bool // it may still be issued
	Issued  bool // its certificate is valid
}

// Shelf is an Issuer that keeps what it issued, with the keys that it made.
type Shelf interface {
	// Stored yields the certificates that may cover the names and end after a time
	// (zero: whenever), the one that ends last first. One that turns out to be
	// without its key, or not to be readable, is passed over.
	Stored(ctx context.Context, names []string, after time.Time) iter.Seq2[Stored, error]
}

// Stored is a certificate on a Shelf.
type Stored struct {
	ID     string // the account's
	Sold   bool   // Alibaba sold it; else it was uploaded
	Bundle *bundle.Bundle
}

// Seller is an Issuer that knows which certificates were sold to the account.
type Seller interface {
	// Sold says that a leaf was, and not merely uploaded.
	Sold(ctx context.Context, leaf *x509.Certificate) (bool, error)
}

// Terms are what the orders of an Issuer have in common.
type Terms struct {
	API     string // its version
	OwnKey  bool   // it issues for a certificate request; else it makes the key
	Lasting bool   // a slot yields one certificate after another, and is claimed for all of them
}

// Ticket names an order to its Issuer.
type Ticket struct {
	Slot   string
	Order  string   // what Submit returned, or ""
	Before string   // the certificate that the slot had when it was claimed
	Again  bool     // an earlier order of the certificate had the slot, and may have left its request there
	Former []string // those of keys that the order had before
	KeyID  string   // bundle.KeyID of our key, or "" where the issuer makes it
	Listed string   // the certificate that the list shows for the slot, or "": a hint, which may be wrong
}

// Slot is what an order can be placed on, such as an instance that was bought.
type Slot struct {
	ID     string
	Use    Use
	Until  time.Time // when it ends; zero: it does not, or is not told
	Latest string    // its latest certificate, by the account's id; "" for none
	Ends   time.Time // when that one does; zero: it is not told
	Hosted bool      // the account renews that one by itself
	Test   bool      // it is for tests

	Counted          bool // Names and Wildcards are told
	Names, Wildcards int  // so many it is for
}

// Use is what a slot is used for at present.
type Use int

// The uses of a slot.
const (
	Spent   Use = iota // by an order that ended, or nothing that can be ordered with
	Free               // it takes an order now, and never had one
	Again              // it had a certificate, and may take an order for the next one
	Busy               // an order is being checked
	Refused            // its order was refused; it takes the same one again
	Unclear            // the server's word for it is not known
)

// Application is what a CA wants to know of an order.
type Application struct {
	Names   []string // A-labels, wildcards as "*.example.com"
	Contact config.Contact
	KeyType string // one of bundle.KeyTypes
	Request []byte // PEM; nil where the issuer makes the key
	File    bool   // the names are proved by files, and not by DNS records

	Stands func(context.Context) error // asked right before each call that changes something: it says why there must be none
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

	Certificate  string // of an order whose certificate was Revoked, its id
	RequestKeyID string // bundle.KeyID of the certificate request that is there, where it is told
	Chain, Key   []byte // PEM, once they can be had; Key is secret, and ours where there is none
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
	Revoked                // its certificate was revoked before it was collected, and the slot takes another order
	Foreign                // somebody else's application runs there
	Over                   // the slot ended, and nothing comes of the order any more
)

// fetched says that the certificate is there, and its key where the issuer made
// it.
func (r Report) fetched(ownKey bool) bool {
	return r.State == Issued && len(r.Chain) > 0 && (ownKey || len(r.Key) > 0)
}

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
