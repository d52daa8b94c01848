package order

import (
	"path/filepath"
	"slices"
	"sync"
	"time"

	"dvagent/internal/journal"
)

// Instances is the ledger of instances of every account: who claimed which,
// what was refused, and how often each certificate was submitted lately. It is
// safe for concurrent use.
type Instances struct {
	mu      sync.Mutex
	path    string
	entries []InstanceEntry
	Damaged int // lines that could not be read
}

// InstanceEntry is one line of the ledger.
type InstanceEntry struct {
	At          time.Time   `json:"at"`
	Kind        InstanceUse `json:"fact"`
	Account     string      `json:"account"`
	Instance    string      `json:"instance"`
	Certificate string      `json:"certificate,omitempty"`
	Adopted     bool        `json:"adopted,omitempty"` // claimed while it was being checked already
}

// InstanceUse is what happened to an instance.
type InstanceUse string

const (
	InstanceClaimed   InstanceUse = "claimed"
	InstanceSubmitted InstanceUse = "submitted" // written before the request
	InstanceUnapplied InstanceUse = "unapplied" // that submission never arrived
	InstanceReleased  InstanceUse = "released"  // the claim is over
	InstanceRefused   InstanceUse = "refused"   // the claim is over, and not for this certificate again
	InstanceAbandoned InstanceUse = "abandoned" // the claim is over, and for nobody until the server says that it is free
	InstanceFree      InstanceUse = "free"      // the server said so of an abandoned one
	InstanceForeign   InstanceUse = "foreign"   // being checked, and not for a name of ours
)

// LoadInstances reads the ledger of a state directory.
func LoadInstances(stateDir string) (*Instances, error) {
	path := filepath.Join(stateDir, "instances.journal")
	entries, damaged, err := journal.Read[InstanceEntry](path)
	if err != nil {
		return nil, err
	}
	return &Instances{path: path, entries: entries, Damaged: damaged}, nil
}

// Record makes an entry durable.
func (l *Instances) Record(entry InstanceEntry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record(entry)
}

func (l *Instances) record(entry InstanceEntry) error {
	if err := journal.Append(l.path, entry); err != nil {
		return err
	}
	l.entries = append(l.entries, entry)
	return nil
}

// Claim takes an instance for a certificate. It answers false, and writes
// nothing, when another certificate has it.
func (l *Instances) Claim(entry InstanceEntry) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if holder := l.holder(entry.Account, entry.Instance); holder != "" && holder != entry.Certificate {
		return false, nil
	}
	entry.Kind = InstanceClaimed
	return true, l.record(entry)
}

// Holder returns the certificate that has claimed the instance, or "".
func (l *Instances) Holder(account, instance string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder(account, instance)
}

func (l *Instances) holder(account, instance string) string {
	holder := ""
	for _, e := range l.entries {
		if e.Account != account || e.Instance != instance {
			continue
		}
		switch e.Kind {
		case InstanceClaimed:
			holder = e.Certificate
		case InstanceReleased, InstanceRefused, InstanceAbandoned, InstanceForeign:
			holder = ""
		}
	}
	return holder
}

// ClaimOf returns the standing claim of a certificate, with an empty Instance
// when it has none, and whether a submission of it was begun since.
func (l *Instances) ClaimOf(account, certificate string) (claim InstanceEntry, submitted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		switch {
		case e.Account != account || e.Certificate != certificate:
		case e.Kind == InstanceClaimed:
			submitted = submitted && e.Instance == claim.Instance
			claim = e
		case e.Instance != claim.Instance:
		case e.Kind == InstanceSubmitted, e.Kind == InstanceUnapplied:
			submitted = e.Kind == InstanceSubmitted
		default:
			claim, submitted = InstanceEntry{}, false
		}
	}
	return claim, submitted
}

// RefusedTo says that the server refused the instance to the certificate.
func (l *Instances) RefusedTo(account, instance, certificate string) bool {
	return l.last(account, instance, InstanceRefused, func(e InstanceEntry) bool {
		return e.Certificate == certificate
	})
}

// AnyRefusedTo says that the server refused some instance to the certificate.
func (l *Instances) AnyRefusedTo(account, certificate string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.entries, func(e InstanceEntry) bool {
		return e.Kind == InstanceRefused && e.Account == account && e.Certificate == certificate
	})
}

// Abandoned says that the instance was given up and was not seen free since.
func (l *Instances) Abandoned(account, instance string) bool {
	return l.last(account, instance, InstanceAbandoned, nil)
}

// Foreign says that the instance is known to be checked for someone else's names.
func (l *Instances) Foreign(account, instance string) bool {
	return l.last(account, instance, InstanceForeign, nil)
}

// last says that an entry of that kind stands, and no "free" after it.
func (l *Instances) last(account, instance string, kind InstanceUse, match func(InstanceEntry) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := false
	for _, e := range l.entries {
		switch {
		case e.Account != account || e.Instance != instance:
		case e.Kind == InstanceFree:
			found = false
		case e.Kind == kind && (match == nil || match(e)):
			found = true
		}
	}
	return found
}

// Submissions counts the submissions of a certificate that arrived, or may
// have, within a day of now, and tells when the oldest of them was. What the
// ledger dates further ahead was written by a clock that was wrong.
func (l *Instances) Submissions(certificate string, now time.Time) (n int, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var counted []time.Time
	for _, e := range l.entries {
		switch {
		case e.Certificate != certificate || now.Sub(e.At).Abs() >= 24*time.Hour:
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

// compactAt is how many entries the ledger may have before those that say
// nothing any more are dropped.
const compactAt = 500

// Compact drops what says nothing any more, once the ledger has grown long:
// the entries of instances whose claim ended without a trace, and submissions
// older than two days.
func (l *Instances) Compact(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) < compactAt {
		return nil
	}
	ended := map[[2]string]bool{}
	for _, e := range l.entries {
		ended[[2]string{e.Account, e.Instance}] = e.Kind == InstanceReleased || e.Kind == InstanceFree
	}
	recent := now.AddDate(0, 0, -2)
	kept := slices.DeleteFunc(slices.Clone(l.entries), func(e InstanceEntry) bool {
		return ended[[2]string{e.Account, e.Instance}] && e.Kind != InstanceRefused &&
			!((e.Kind == InstanceSubmitted || e.Kind == InstanceUnapplied) && e.At.After(recent))
	})
	if len(kept) > len(l.entries)/2 {
		return nil
	}
	if err := journal.Rewrite(l.path, kept); err != nil {
		return err
	}
	l.entries = kept
	return nil
}
