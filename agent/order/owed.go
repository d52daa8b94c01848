package order

import (
	"cmp"
	"errors"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"dvagent/internal/clock"
	"dvagent/internal/journal"
)

// Owed is the ledger of the validation records that may stand in a zone, or in a
// webroot, because of us. It repeats what the journals say, so that a record is found
// even when its order's journal is lost. It is safe for concurrent use.
//
// What many note at once is written together: a disk takes as long for one as for all.
type Owed struct {
	writing sync.Mutex // one writes at a time, for all who wait; taken before mu
	log     *journal.Log[OwedRecord]

	mu      sync.Mutex              // is not held while the disk is waited for
	records map[string][]OwedRecord // by certificate; what is durable
	waiting []*owing
}

// owing is a line that is to be written.
type owing struct {
	entry OwedRecord
	ended bool  // it was written, or failed with err
	err   error // until then errUnwritten
}

// OwedRecord is one line of the ledger.
type OwedRecord struct {
	At          time.Time `json:"at"`
	Kind        Kind      `json:"fact"` // as in Note
	Certificate string    `json:"certificate"`
	Record      Record    `json:"record"`
}

// LoadOwed reads the ledger of that name.
func LoadOwed(name string) (*Owed, error) {
	log, entries, err := journal.Open[OwedRecord](name)
	if err != nil {
		return nil, err
	}
	l := &Owed{log: log, records: map[string][]OwedRecord{}}
	for _, entry := range entries {
		l.apply(entry)
	}
	return l, nil
}

// Damage tells what of the ledger could not be read.
func (l *Owed) Damage() journal.Damage { return l.log.Damage() }

// Note makes durable what becomes of a certificate's record: Adding, Added,
// Kept, Removing or Removed.
func (l *Owed) Note(kind Kind, certificate string, r Record) error {
	n := &owing{entry: OwedRecord{At: clock.Now(), Kind: kind, Certificate: certificate, Record: r}, err: errUnwritten}
	l.mu.Lock()
	l.waiting = append(l.waiting, n)
	l.mu.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if !n.ended {
		l.writeAll()
	}
	return n.err
}

// errUnwritten is of a line that whoever was to write it did not.
var errUnwritten = errors.New("the record could not be noted")

// writeAll writes all that waits. What cannot be written along with the rest, such as a
// line that is too long, fails alone. The mutex writing must be held.
func (l *Owed) writeAll() {
	l.mu.Lock()
	all := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	entries := make([]OwedRecord, len(all))
	for i, n := range all {
		entries[i] = n.entry
	}
	err := l.log.Append(entries...)
	for _, n := range all {
		if n.err = err; errors.Is(err, journal.ErrTooLong) {
			n.err = l.log.Append(n.entry)
		}
		if n.ended = true; n.err == nil {
			l.mu.Lock()
			l.apply(n.entry)
			l.mu.Unlock()
		}
	}
}

func (l *Owed) apply(entry OwedRecord) {
	owed := l.records[entry.Certificate]
	at := slices.IndexFunc(owed, func(other OwedRecord) bool { return other.Record.same(entry.Record) })
	switch {
	case entry.Kind == Removed || entry.Kind == Kept:
		if at >= 0 {
			owed = slices.Delete(owed, at, at+1)
		}
	case at >= 0:
		owed[at] = entry
	default:
		owed = append(owed, entry)
	}
	if l.records[entry.Certificate] = owed; len(owed) == 0 {
		delete(l.records, entry.Certificate)
	}
}

// All returns the records that are owed now, by certificate.
func (l *Owed) All() (all []OwedRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, certificate := range slices.Sorted(maps.Keys(l.records)) {
		all = append(all, l.records[certificate]...)
	}
	return all
}

// None says that no record is owed.
func (l *Owed) None() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records) == 0
}

// Has says that the record is owed for a certificate.
func (l *Owed) Has(certificate string, record Record) bool {
	return slices.ContainsFunc(l.Of(certificate), func(owed OwedRecord) bool { return owed.Record.coincides(record) })
}

// Made is how many of the directories above a file were made for one that is owed,
// by whatever certificate: the last one to go takes them along.
func (l *Owed) Made(file Record) int {
	made := 0
	for _, owed := range l.All() {
		if r := owed.Record; r.Kind == File && r.Zone == file.Zone && path.Dir(r.RR) == path.Dir(file.RR) {
			made = max(made, r.Made)
		}
	}
	return made
}

// Holds says that another certificate owes something at the very place of a record.
func (l *Owed) Holds(certificate string, record Record) bool {
	return slices.ContainsFunc(l.All(), func(o OwedRecord) bool {
		return o.Certificate != certificate && o.Record.Zone == record.Zone && o.Record.RR == record.RR && o.Record.Kind == record.Kind
	})
}

// Octets is what the records that are owed at a challenge's name take of an answer that
// shows them all, so that it can be told when they become too many for one.
func (l *Owed) Octets(name string) (octets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, owed := range l.records {
		for _, o := range owed {
			if o.Record.Kind != File && cmp.Or(o.Record.For, o.Record.Name) == name {
				octets += recordOctets + len(o.Record.Value)
			}
		}
	}
	return octets
}

// recordOctets is what a record takes of an answer beside its value: a pointer to the
// name, type, class, TTL and two lengths.
const recordOctets = 13

// Of returns the records that are owed for a certificate.
func (l *Owed) Of(certificate string) []OwedRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records[certificate])
}

// Compact rewrites the ledger once most of its lines say nothing any more, and clears what
// a killed process left of that.
func (l *Owed) Compact() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_ = l.log.Clear() // Rewrite tells what is wrong with the directory
	records := l.All()
	if !l.log.Long(len(records)) {
		return nil
	}
	return l.log.Rewrite(records)
}
