package order

import (
	"fmt"
	"os"
	"path/filepath"

	"dvagent/internal/clock"
	"dvagent/internal/journal"
)

// The methods here make a fact durable, dated now, and apply it to the state.
// After an error it may or may not be in the journal.

// Application is what an order is opened with.
type Application struct {
	Domains    []string
	Account    string // of the instance
	DNSAccount string // of the zone
	Webroot    string // of files, or ""
	Reason     string
	Forced     bool
	Number     int    // among the orders of hosts that share the certificate, or 0
	Host       string // of those, the one that opens it
}

// Open begins an order of the certificate whose directory is dir.
func Open(dir string, a Application) (*Order, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open order: %w", err)
	}
	log, _, err := journal.Open[Fact](filepath.Join(dir, OpenFile))
	if err != nil {
		return nil, err
	}
	o := &Order{Certificate: filepath.Base(dir), dir: dir, log: log}
	return o, o.Reopen(a)
}

// Reopen gives its names back to an order whose first line was damaged.
func (o *Order) Reopen(a Application) error {
	return o.record(a.Fact())
}

// Fact is what Open and Reopen record, without its date.
func (a Application) Fact() Fact {
	return Fact{Kind: Opened, Domains: a.Domains, Account: a.Account, DNSAccount: a.DNSAccount, Webroot: a.Webroot,
		Reason: a.Reason, Forced: a.Forced, Number: a.Number, Host: a.Host}
}

// Claim takes an instance, and binds the order to an API.
func (o *Order) Claim(c Claim) error {
	return o.record(Fact{Kind: Claimed, Instance: c.Instance, Adopted: c.Adopted, API: c.API, Package: c.Package, Bare: c.Bare, Before: c.Before})
}

// Keyed says that a private key for the order is on the disk; id is its
// bundle.KeyID.
func (o *Order) Keyed(id string) error { return o.record(Fact{Kind: Keyed, Key: id}) }

// BeginSubmission comes right before the request. stock is what the package shows
// that the order is placed on, or nil.
func (o *Order) BeginSubmission(stock *Stock) error {
	return o.record(Fact{Kind: Submitting, Stock: stock})
}

// Submitted says that the submission arrived. order is the id that the server
// gave it; both may be empty.
func (o *Order) Submitted(requestID, order string) error {
	return o.record(Fact{Kind: Submitted, RequestID: requestID, Order: order})
}

// Unapplied says that the submission never arrived.
func (o *Order) Unapplied() error { return o.record(Fact{Kind: Unapplied}) }

// Refuse gives the instance back, for what the server said of it.
func (o *Order) Refuse(code, text string) error {
	return o.record(Fact{Kind: Refused, Instance: o.Instance, Code: code, Error: text})
}

// Revoke says that what the submission brought, the certificate of that id, was revoked
// before it was collected.
func (o *Order) Revoke(certificate string) error {
	return o.record(Fact{Kind: Revoked, Before: certificate})
}

// See records the status that the server gives the order.
func (o *Order) See(status string) error { return o.record(Fact{Kind: Seen, Status: status}) }

// Challenged records all that the CA wants to see now.
func (o *Order) Challenged(challenges []Challenge) error {
	fact := Fact{Kind: Challenged}
	if len(challenges) > 0 {
		fact.Challenge, fact.Further = &challenges[0], challenges[1:]
	}
	return o.record(fact)
}

// Note records what becomes of a record: Adding, Added, Kept, Removing or
// Removed.
func (o *Order) Note(kind Kind, record Record) error {
	return o.record(Fact{Kind: kind, Record: &record})
}

// Visible says that the name servers show the record.
func (o *Order) Visible(record Record) error { return o.Note(Visible, record) }

// Collect says that the bundle is stored as that version.
func (o *Order) Collect(version string) error {
	return o.record(Fact{Kind: Collected, Version: version})
}

// CollectFrom says that the bundle is stored as that version, which the instance
// of the claim yielded without an application of ours.
func (o *Order) CollectFrom(c Claim, version string) error {
	return o.record(Fact{Kind: Collected, Version: version, Instance: c.Instance, API: c.API})
}

// Wait says what the step waits for.
func (o *Order) Wait(reason string) error { return o.record(Fact{Kind: Waiting, Reason: reason}) }

// Fail records that the step failed; f.At is now.
func (o *Order) Fail(f Failure) error {
	return o.record(Fact{Kind: Failed, Error: f.Text, Hint: f.Hint, Cause: f.Cause, Until: f.Until,
		Stopped: f.Stopped, Transient: f.Transient})
}

// End ends the order.
func (o *Order) End(outcome Outcome, why string) error {
	return o.record(Fact{Kind: Ended, Outcome: outcome, Error: why})
}

func (o *Order) record(fact Fact) error {
	fact.At = clock.Now()
	if o.share != nil && fact.shared() {
		if err := o.share(fact); err != nil {
			return err
		}
	}
	if err := o.log.Append(forOlder(fact)); err != nil {
		return err
	}
	o.apply(fact)
	o.compact()
	return nil
}
