// Package issue works on one order at a time, step by step: from the reason to
// order until the issued bundle is stored and its proofs are removed. What is
// common to all issuers lies here: claim before submitting, ask before
// repeating, facts before and after, verify before keeping. It deploys nothing,
// runs no hooks and tells nobody but the observer.
package issue

import (
	"context"
	"errors"
	"sync"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
)

// Desk is where the orders of one pass are worked on: under the lock, with the
// ledgers read anew and each list of the cloud shared.
type Desk struct {
	host    *state.Host
	scope   state.Scope
	open    func(ctx context.Context, s Shop) (Issuer, error)
	prover  proof.Prover
	memory  *Memory
	fleet   Fleet // nil: this host is alone
	ledger  *order.Instances
	records *order.Owed

	joining sync.Mutex
	joined  bool // the ledger is one with that of the fleet

	strangers func() ([]string, error)          // certificates that are not configured any more
	bequests  func() (map[string]string, error) // see readBequests
	leaving   sync.Mutex
	left      *[]*order.Order // open, of strangers; nil: not read yet

	mu      sync.Mutex
	issuers map[Shop]Issuer
	lists   map[string]*lists // by account
	slots   map[string][]Slot // by account, as far as they were listed
	leases  map[string]Lease  // that this pass has, by certificate

	used     map[order.Instance]bool         // submitted in this pass: a list may call them free
	counted  map[string]map[string]time.Time // until when the spare slots of the last list are, by account and id
	spares   map[string]state.Spares         // the same, counted
	reserved map[order.Instance]bool         // on the list of some certificate

	queues sync.Map // a *sync.Mutex for each Shop that sells from a package
}

// Tools are what a Desk works with.
type Tools struct {
	Issuer func(ctx context.Context, s Shop) (Issuer, error) // a Catalogue where the shop names no package, else a Package
	Prover proof.Prover
	Memory *Memory
	Fleet  Fleet // nil: this host is alone
}

// Open reads the ledgers. The lock must be held.
func Open(host *state.Host, scope state.Scope, tools Tools) (*Desk, error) {
	d := &Desk{host: host, scope: scope, open: tools.Issuer, prover: tools.Prover, memory: tools.Memory, leases: map[string]Lease{},
		issuers: map[Shop]Issuer{}, lists: map[string]*lists{}, slots: map[string][]Slot{},
		used: map[order.Instance]bool{}, counted: map[string]map[string]time.Time{}, spares: map[string]state.Spares{}, reserved: reserved(host.Config.Certificates)}
	d.strangers, d.bequests = sync.OnceValues(d.notConfigured), sync.OnceValues(d.readBequests)
	if !scope.Alone {
		d.fleet = tools.Fleet
	}
	err := host.Readable(func() (err error) {
		d.ledger, err = order.LoadInstances(host.Dir.Instances())
		return err
	})
	if err != nil {
		return nil, err
	}
	err = host.Readable(func() (err error) {
		d.records, err = order.LoadOwed(host.Dir.Records())
		return err
	})
	if err != nil {
		return nil, err
	}
	host.Warn(d.ledger.Damage(), d.records.Damage())
	if err := d.memory.recall(host.Dir.Tempo()); err != nil {
		host.Log.Warn("orders are looked at more often until that is learned anew", "error", err)
	}
	return d, errors.Join(d.ledger.Compact(state.Now()), d.records.Compact())
}

// Keep writes down what was learned in the pass.
func (d *Desk) Keep() {
	if err := d.memory.keep(d.host.Dir.Tempo()); err != nil {
		d.host.Log.Warn("the next orders may be looked at more often", "error", err)
	}
}

// issuer is a shop's, one for the pass.
func (d *Desk) issuer(ctx context.Context, s Shop) (Issuer, error) {
	d.mu.Lock()
	known := d.issuers[s]
	d.mu.Unlock()
	if known != nil {
		return known, nil
	}
	opened, err := d.open(ctx, s)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.issuers[s]; known != nil { // another one was sooner
		return known, nil
	}
	d.issuers[s] = opened
	return opened, nil
}

// queue is where the orders in a shop wait for each other.
func (d *Desk) queue(s Shop) *sync.Mutex {
	queue, _ := d.queues.LoadOrStore(s, &sync.Mutex{})
	return queue.(*sync.Mutex)
}

// Claim is the certificate's hold on an instance.
func (d *Desk) Claim(certificate config.Certificate) order.Claim {
	claim, _ := d.ledger.ClaimOf(certificate.Account, certificate.Name)
	return claim
}

// Rests says that the ledgers want nothing done for a certificate that is not due.
func (d *Desk) Rests(certificate config.Certificate) bool {
	claim := d.Claim(certificate)
	return (claim.Instance == "" || claim.Kept) && !d.unfinished(certificate.Account, certificate.Name) && !d.Owes(certificate.Name)
}

// OwesNothing says that no record is owed, whosever it is.
func (d *Desk) OwesNothing() bool { return d.records.None() }

// Left is what is left of the package that the certificate is ordered from; nil
// where there is none, and while that is not known.
func (d *Desk) Left(certificate config.Certificate) *order.Left {
	return d.ledger.Left(certificate.Account, certificate.Package)
}

// noteEnds remembers when the subscriptions of claimed instances end.
func (d *Desk) noteEnds(account string, slots []Slot) error {
	for _, slot := range slots {
		if err := d.ledger.NoteEnd(order.Instance{Account: account, ID: slot.ID}, slot.Until); err != nil {
			return err
		}
	}
	return nil
}

// lists are an account's, read when first wanted. What they show belongs
// together: the certificates are read after the slots, by an issuer of their own.
type lists struct {
	issuer    Catalogue
	slots     func() ([]Slot, error)
	spares    *spares // once slots were read
	adoptable func() (running, error)
	made      time.Time
	read      time.Duration   // how long that took
	readers   map[string]bool // certificates that have used them
}

// Lists are shared by the certificates of a pass for ten seconds; where reading them
// takes long, for twenty times as long as that took, up to a minute.
const (
	listsLive    = 10 * time.Second
	listsPerRead = 20
	listsMost    = time.Minute
)

func (l *lists) stale() bool {
	return state.Now().Sub(l.made).Abs() > min(max(listsLive, listsPerRead*l.read), listsMost)
}

// listsFor returns the lists of an account, which the certificates that want
// them at about the same time share. A certificate that comes back in the same
// pass wants news, and gets lists that are read anew.
func (d *Desk) listsFor(ctx context.Context, account, certificate string) (*lists, error) {
	opened, err := d.open(ctx, Shop{Account: account})
	if err != nil {
		return nil, err
	}
	issuer := opened.(Catalogue)
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.lists[account]
	if known == nil || known.readers[certificate] || known.stale() {
		known = d.newLists(ctx, account, issuer)
		d.lists[account] = known
	}
	known.readers[certificate] = true
	return known, nil
}

func (d *Desk) newLists(ctx context.Context, account string, issuer Catalogue) *lists {
	l := &lists{issuer: issuer, made: state.Now(), readers: map[string]bool{}}
	l.slots = sync.OnceValues(func() ([]Slot, error) {
		slots, err := issuer.Slots(ctx)
		if err != nil {
			return nil, err
		}
		d.noteSpare(account, slots)
		l.spares = newSpares(slots)
		d.mu.Lock()
		l.read = state.Now().Sub(l.made).Abs()
		d.mu.Unlock()
		return slots, d.noteEnds(account, slots)
	})
	l.adoptable = sync.OnceValues(func() (running, error) {
		slots, err := l.slots()
		if err != nil {
			return running{}, err
		}
		return d.findAdoptable(ctx, account, slots)
	})
	return l
}
