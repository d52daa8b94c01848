package issue

import (
	"context"
	"fmt"
	"time"

	"dvagent/agent/order"
)

// Fleet is what this host has in common with others that share its certificates. A
// host that is alone has none. An error that waiting may cure says so (Transient).
type Fleet interface {
	// Host is what this host is called.
	Host() string
	// Patience is how long what a host brought may take to reach the others.
	Patience() time.Duration
	// Lease gives this host the right to work on the order of a certificate. Where
	// another host has it, the error is an *ElsewhereError.
	Lease(ctx context.Context, certificate string) (Lease, error)
	// Known is what the hosts know of the last order of a certificate.
	Known(ctx context.Context, certificate string) (Known, error)
	// Serves is another host that serves the certificate, as it says; "": there is none.
	Serves(ctx context.Context, certificate string) (host string, err error)
	// Ledger is the ledger of instances that the hosts keep together.
	Ledger() order.Common
}

// Lease is the right to work on the order of one certificate. It ends by itself when
// its host is not heard of for a while.
type Lease interface {
	// Known is what was known of the last order when the lease was taken.
	Known() Known
	// MayBegin says why no new order may begin now, or nil.
	MayBegin(ctx context.Context) error
	// Stands fails where the lease is over, as of a moment ago. It is asked right before
	// what must not be done by two hosts.
	Stands(ctx context.Context) error
	// Write puts something else in the place of what is known, if the lease stands and
	// nobody else did so.
	Write(ctx context.Context, k Known) error
	// Release gives the right back.
	Release(ctx context.Context)
}

// Known is what the hosts of a fleet know of the last order of a certificate: enough
// for another one to go on with it, or to know that it ended.
type Known struct {
	Host    string       // that wrote it
	Facts   []order.Fact // as order.Shared; none: there was no order
	Key     []byte       // PEM, secret: the private key of the order; nil where the issuer makes it
	Brought *Brought     // nil: the order is open, or ended without a certificate
}

// Brought is the certificate that an order brought.
type Brought struct {
	Version   string    `json:"version"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// order is what the facts amount to; nil: there was none.
func (k Known) order(certificate string) *order.Order {
	if len(k.Facts) == 0 {
		return nil
	}
	return order.Replay(certificate, k.Facts)
}

// ElsewhereError says that another host works on an order.
type ElsewhereError struct {
	Host  string        // "" while that is not known
	Again time.Duration // after which to ask again
}

func (e *ElsewhereError) Error() string {
	if e.Host == "" {
		return "another host of the fleet orders it"
	}
	return fmt.Sprintf("host %s of the fleet orders it", e.Host)
}

// awaitedError says that another host has brought the certificate, and that it is to
// be taken from the fleet.
type awaitedError struct {
	host  string
	again time.Duration
}

func (e *awaitedError) Error() string {
	return fmt.Sprintf("host %s of the fleet has a new certificate, which is to be taken from there", e.host)
}
