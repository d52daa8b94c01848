package order

import (
	"path/filepath"
	"sync"
	"time"

	"dvagent/internal/journal"
)

// Owed is the ledger of the validation records that may stand in a zone
// because of us. It repeats what the journals say, so that a record is found
// even when its order's journal is lost. It is safe for concurrent use.
type Owed struct {
	mu      sync.Mutex
	path    string
	records []OwedRecord
	lines   int
	Damaged int // lines that could not be read
}

// OwedRecord is one line of the ledger.
type OwedRecord struct {
	At          time.Time `json:"at"`
	Kind        Kind      `json:"fact"` // Adding, Added, Kept or Removed
	Certificate string    `json:"certificate"`
	Record      Record    `json:"record"`
}

// LoadOwed reads the ledger of a state directory.
func LoadOwed(stateDir string) (*Owed, error) {
	path := filepath.Join(stateDir, "records.journal")
	entries, damaged, err := journal.Read[OwedRecord](path)
	if err != nil {
		return nil, err
	}
	l := &Owed{path: path, lines: len(entries), Damaged: damaged}
	for _, entry := range entries {
		l.apply(entry)
	}
	return l, nil
}

// Record makes an entry durable.
func (l *Owed) Record(entry OwedRecord) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := journal.Append(l.path, entry); err != nil {
		return err
	}
	l.lines++
	l.apply(entry)
	return nil
}

func (l *Owed) apply(entry OwedRecord) {
	at := -1
	for i := range l.records {
		if l.records[i].Certificate == entry.Certificate && l.records[i].Record.same(entry.Record) {
			at = i
		}
	}
	switch {
	case entry.Kind == Removed || entry.Kind == Kept:
		if at >= 0 {
			l.records = append(l.records[:at], l.records[at+1:]...)
		}
	case at >= 0:
		l.records[at] = entry
	default:
		l.records = append(l.records, entry)
	}
}

// All returns the records that are owed now.
func (l *Owed) All() []OwedRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]OwedRecord(nil), l.records...)
}

// Has says that the record is owed for a certificate.
func (l *Owed) Has(certificate string, record Record) bool {
	for _, entry := range l.Of(certificate) {
		if entry.Record.same(record) {
			return true
		}
	}
	return false
}

// Of returns the records that are owed for a certificate.
func (l *Owed) Of(certificate string) []OwedRecord {
	var owed []OwedRecord
	for _, entry := range l.All() {
		if entry.Certificate == certificate {
			owed = append(owed, entry)
		}
	}
	return owed
}

// Compact rewrites the ledger once most of its lines say nothing any more.
func (l *Owed) Compact() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines < compactAt || l.lines < 4*len(l.records) {
		return nil
	}
	if err := journal.Rewrite(l.path, l.records); err != nil {
		return err
	}
	l.lines = len(l.records)
	return nil
}
