package order

import (
	"slices"
	"sync"
	"time"

	"dvagent/internal/clock"
	"dvagent/internal/journal"
)

// Instances is the ledger of instances of every account: who claimed which,
// what was refused, and how often each certificate was submitted lately. It is
// safe for concurrent use.
type Instances struct {
	writing sync.Mutex // one writes at a time; taken before mu
	log     *journal.Log[instanceEntry]

	mu      sync.Mutex // is not held while a disk or another host is waited for; who writes reads without it
	entries []instanceEntry
	uses    map[Instance]use
	claims  map[[2]string]claims       // by account and certificate
	stocks  map[Instance]stock         // by account and package
	sent    map[string][]instanceEntry // submissions, and those that never arrived, by certificate
	joint   *joint                     // nil: this host keeps it alone
}

// Instance is a paid instance of an account.
type Instance struct{ Account, ID string }

// instanceEntry is one line of the ledger.
type instanceEntry struct {
	At          time.Time   `json:"at"`
	Kind        InstanceUse `json:"fact"`
	Account     string      `json:"account"`
	Instance    string      `json:"instance"`
	Certificate string      `json:"certificate,omitempty"`
	Adopted     bool        `json:"adopted,omitempty"` // claimed while it was being checked already
	Before      string      `json:"before,omitempty"`  // the certificate that it had when it was claimed
	Package     string      `json:"package,omitempty"` // that it stands for
	Bare        bool        `json:"bare,omitempty"`    // the parents of wildcards are not to be asked for
	Stock       *Stock      `json:"stock,omitempty"`   // what the package showed before a submission
	Until       time.Time   `json:"until,omitzero"`    // when its subscription ends, where that was told
	By          string      `json:"by,omitempty"`      // who wrote it, where several hosts keep the ledger
}

// InstanceUse is what happened to an instance.
type InstanceUse string

const (
	InstanceClaimed   InstanceUse = "claimed"
	InstanceSubmitted InstanceUse = "submitted" // written before the request
	InstanceUnapplied InstanceUse = "unapplied" // that submission never arrived
	InstanceKept      InstanceUse = "kept"      // its order ended; the claim goes on for the renewals
	InstanceEnds      InstanceUse = "ends"      // its subscription does so at another time than was known
	InstanceReleased  InstanceUse = "released"  // the claim is over
	InstanceEmpty     InstanceUse = "empty"     // the claim is over: its package has nothing left
	InstanceRefused   InstanceUse = "refused"   // the claim is over, and not for this certificate again
	InstanceAbandoned InstanceUse = "abandoned" // the claim is over, and for nobody until the server says that it is free
	InstanceFree      InstanceUse = "free"      // the server said so of an abandoned one
	InstanceForeign   InstanceUse = "foreign"   // being checked, and not for a name of ours
)

// use is what the entries of one instance amount to.
type use struct {
	holder             string   // the certificate that has claimed it
	had                string   // the one whose claim ended last
	refusedTo          []string // certificates
	abandoned, foreign bool
	over               bool // the last entry ended the claim without a trace
}

// claims is what a certificate's entries of one account amount to.
type claims struct {
	standing  Claim
	submitted bool // since
	refused   bool // ever
}

// Claim is a certificate's hold on an instance of its account.
type Claim struct {
	Instance string    // empty: there is none
	Until    time.Time // when its subscription ends, by a ledger; zero: it is none, or that is not known
	Adopted  bool      // somebody else submitted what runs there
	Kept     bool      // by a ledger: no order of the certificate runs there

	API     string    // in an order: what it is bound to
	Package string    // that the order draws on, or ""
	Bare    bool      // the parents of wildcards come along, and are not to be asked for
	Before  string    // the certificate that the instance had already
	Stock   *Stock    // by a ledger: what the package showed before the last submission
	Begun   time.Time // by a ledger: when that was begun, or found to have never arrived
}

// LoadInstances reads the ledger at path.
func LoadInstances(path string) (*Instances, error) {
	log, entries, err := journal.Open[instanceEntry](path)
	if err != nil {
		return nil, err
	}
	l := &Instances{log: log}
	l.replay(entries)
	return l, nil
}

func (l *Instances) replay(entries []instanceEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.uses, l.claims, l.stocks = entries, map[Instance]use{}, map[[2]string]claims{}, map[Instance]stock{}
	l.sent = map[string][]instanceEntry{}
	for _, e := range entries {
		l.apply(e)
	}
}

func (l *Instances) apply(e instanceEntry) {
	i, certificate := Instance{e.Account, e.Instance}, [2]string{e.Account, e.Certificate}
	l.uses[i] = l.uses[i].after(e)
	l.claims[certificate] = l.claims[certificate].after(e)
	if e.Kind == InstanceSubmitted || e.Kind == InstanceUnapplied {
		l.sent[e.Certificate] = append(l.sent[e.Certificate], e)
	}
	product := Instance{e.Account, e.product()}
	if s := l.stocks[product].after(e); s != (stock{}) {
		l.stocks[product] = s
	}
}

func (u use) after(e instanceEntry) use {
	u.over = e.Kind == InstanceReleased || e.Kind == InstanceEmpty || e.Kind == InstanceFree
	switch e.Kind {
	case InstanceClaimed:
		u.holder = e.Certificate
	case InstanceReleased, InstanceEmpty:
		u.holder, u.had = "", u.holder
	case InstanceRefused:
		u.holder, u.had, u.refusedTo = "", e.Certificate, append(u.refusedTo, e.Certificate)
	case InstanceAbandoned:
		u.holder, u.had, u.abandoned = "", e.Certificate, true
	case InstanceForeign:
		u.holder, u.foreign = "", true
	case InstanceFree:
		u.refusedTo, u.abandoned, u.foreign = nil, false, false
	}
	return u
}

func (c claims) after(e instanceEntry) claims {
	c.refused = c.refused || e.Kind == InstanceRefused
	same := e.Instance == c.standing.Instance
	switch {
	case e.Kind == InstanceClaimed:
		if !same {
			c.submitted, c.standing = false, Claim{}
		}
		c.standing = Claim{Instance: e.Instance, Until: e.Until, Adopted: e.Adopted, Package: e.Package, Bare: e.Bare, Before: e.Before,
			Stock: c.standing.Stock, Begun: c.standing.Begun}
	case !same:
	case e.Kind == InstanceSubmitted, e.Kind == InstanceUnapplied:
		c.submitted, c.standing.Stock, c.standing.Begun = e.Kind == InstanceSubmitted, e.Stock, e.At
	case e.Kind == InstanceKept:
		c.standing.Kept, c.submitted = true, false
	case e.Kind == InstanceEnds:
		c.standing.Until = e.Until
	default:
		c.standing, c.submitted = Claim{}, false
	}
	return c
}

// Damage tells what of the ledger could not be read.
func (l *Instances) Damage() journal.Damage { return l.log.Damage() }

// Note makes durable what happened to an instance. The certificate may be
// empty where none is concerned.
func (l *Instances) Note(use InstanceUse, i Instance, certificate string) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.record(instanceEntry{Kind: use, Account: i.Account, Instance: i.ID, Certificate: certificate})
}

// Submit notes a submission right before it is sent. stock is what the package
// shows that it is placed on, or nil. It fails unless the certificate has claimed the
// instance: another host may have taken it for another one meanwhile.
func (l *Instances) Submit(i Instance, certificate string, stock *Stock) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	claimed, err := l.recordWhere(func() bool { return l.uses[i].holder == certificate },
		instanceEntry{Kind: InstanceSubmitted, Account: i.Account, Instance: i.ID, Certificate: certificate, Stock: stock})
	if err == nil && !claimed {
		err = &unclaimedError{i, l.uses[i].holder}
	}
	return err
}

// unclaimedError says that what is to be submitted on is not claimed any more. The next
// look finds out what became of it.
type unclaimedError struct {
	instance Instance
	holder   string
}

func (e *unclaimedError) Error() string {
	if e.holder == "" {
		return "instance " + e.instance.ID + " is not claimed any more"
	}
	return "instance " + e.instance.ID + " was claimed for " + e.holder + " meanwhile"
}

// Transient is for package state.
func (e *unclaimedError) Transient() bool { return true }

func (l *Instances) record(e instanceEntry) error {
	_, err := l.recordWhere(func() bool { return true }, e)
	return err
}

// recordWhere records entries of one instance, by one write, if they may be. That is asked
// anew where other hosts have written of the instance in the meantime.
func (l *Instances) recordWhere(mayBe func() bool, entries ...instanceEntry) (bool, error) {
	for range mostConflicts {
		if !mayBe() {
			return false, nil
		}
		l.date(entries)
		if l.joint != nil {
			shared, err := l.share(entries)
			if err != nil {
				return false, err
			}
			if !shared {
				continue
			}
		}
		if err := l.log.Append(entries...); err != nil {
			return false, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.entries = append(l.entries, entries...)
		for _, e := range entries {
			l.apply(e)
		}
		return true, nil
	}
	return false, errConflict
}

// date dates entries of one instance now, one after the other.
func (l *Instances) date(entries []instanceEntry) {
	at := clock.Now()
	if l.joint != nil {
		at = l.after(entries[0].of())
	}
	for i := range entries {
		entries[i].At = at.Add(time.Duration(i))
	}
}

// Claim takes an instance of an account for a certificate. It answers false, and
// writes nothing, when another certificate has it.
func (l *Instances) Claim(account, certificate string, c Claim) (taken bool, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	free := func() bool {
		holder := l.uses[Instance{account, c.Instance}].holder
		return holder == "" || holder == certificate
	}
	return l.recordWhere(free, claimed(account, certificate, c))
}

func claimed(account, certificate string, c Claim) instanceEntry {
	return instanceEntry{Kind: InstanceClaimed, Account: account, Instance: c.Instance, Certificate: certificate,
		Until: c.Until, Adopted: c.Adopted, Package: c.Package, Bare: c.Bare, Before: c.Before}
}

// NoteEnd makes durable when the subscription of an instance ends, where it is
// claimed and another end was known.
func (l *Instances) NoteEnd(i Instance, until time.Time) error {
	if l.endsOtherwise(i, until) == "" {
		return nil
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	holder := l.endsOtherwise(i, until)
	if holder == "" {
		return nil
	}
	return l.record(instanceEntry{Kind: InstanceEnds, Account: i.Account, Instance: i.ID, Certificate: holder, Until: until})
}

// endsOtherwise is the certificate for which an instance is claimed whose end is another
// one than was known, or "".
func (l *Instances) endsOtherwise(i Instance, until time.Time) string {
	holder := l.Holder(i)
	claim := l.claimsOf(i.Account, holder).standing
	if claim.Instance != i.ID || until.IsZero() || claim.Until.Equal(until) {
		return ""
	}
	return holder
}

func (l *Instances) use(i Instance) use {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uses[i]
}

func (l *Instances) claimsOf(account, certificate string) claims {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claims[[2]string{account, certificate}]
}

// Holder returns the certificate that has claimed the instance, or "".
func (l *Instances) Holder(i Instance) string { return l.use(i).holder }

// Had returns the certificate whose claim of the instance ended last, or "".
func (l *Instances) Had(i Instance) string { return l.use(i).had }

// RefusedTo says that the server refused the instance to the certificate.
func (l *Instances) RefusedTo(i Instance, certificate string) bool {
	return slices.Contains(l.use(i).refusedTo, certificate)
}

// Abandoned says that the instance was given up and was not seen free since.
func (l *Instances) Abandoned(i Instance) bool { return l.use(i).abandoned }

// Foreign says that the instance is known to be checked for someone else's names.
func (l *Instances) Foreign(i Instance) bool { return l.use(i).foreign }

// ClaimOf returns the standing claim of a certificate, and whether a submission
// of it was begun since.
func (l *Instances) ClaimOf(account, certificate string) (claim Claim, submitted bool) {
	c := l.claimsOf(account, certificate)
	return c.standing, c.submitted
}

// AnyRefusedTo says that the server refused some instance to the certificate.
func (l *Instances) AnyRefusedTo(account, certificate string) bool {
	return l.claimsOf(account, certificate).refused
}

// Submissions counts the submissions of a certificate that arrived, or may
// have, within a day of now, and tells when the oldest of them was. What the
// ledger dates further ahead was written by a clock that was wrong.
func (l *Instances) Submissions(certificate string, now time.Time) (n int, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var counted []time.Time
	for _, e := range l.sent[certificate] {
		switch {
		case now.Sub(e.At).Abs() >= 24*time.Hour:
		case e.Kind == InstanceSubmitted:
			counted = append(counted, e.At)
		case e.Kind == InstanceUnapplied && len(counted) > 0:
			counted = counted[:len(counted)-1]
		}
	}
	if len(counted) > 0 {
		oldest = counted[0]
	}
	return len(counted), oldest
}

// Compact drops what says nothing any more, once the ledger has grown long:
// the entries of instances whose claim ended without a trace, and submissions
// older than two days, but for those that tell what is left of a package. It clears what a
// killed process left of that.
func (l *Instances) Compact(now time.Time) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_ = l.log.Clear() // Rewrite tells what is wrong with the directory
	kept := l.worthKeeping(l.entries, now)
	if !l.log.Long(len(kept)) {
		return nil
	}
	if err := l.log.Rewrite(kept); err != nil {
		return err
	}
	l.replay(kept)
	return nil
}

// worthKeeping leaves out what Compact drops.
func (l *Instances) worthKeeping(entries []instanceEntry, now time.Time) []instanceEntry {
	recent := now.AddDate(0, 0, -2)
	return slices.DeleteFunc(slices.Clone(entries), func(e instanceEntry) bool {
		submission := e.Kind == InstanceSubmitted || e.Kind == InstanceUnapplied
		return l.uses[e.of()].over && e.Kind != InstanceRefused && !(submission && e.At.After(recent)) && !l.tellsStock(e)
	})
}
