package order

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/journal"
)

// Step is what an order does next.
type Step string

// The steps of an order, in sequence.
const (
	Allocate  Step = "allocate"
	Submit    Step = "submit"
	Present   Step = "present"
	Propagate Step = "propagate"
	Issue     Step = "issue"
	Collect   Step = "collect"
	CleanUp   Step = "clean up"
	Done      Step = "done"
)

// Steps are the steps of an order that goes well, in sequence.
func Steps() []Step { return []Step{Allocate, Submit, Present, Propagate, Issue, Collect, CleanUp} }

// Order is the state that the facts in its journal amount to.
type Order struct {
	Certificate string
	OpenedAt    time.Time
	Domains     []string // what it was, or will be, submitted with
	Account     string
	DNSAccount  string
	Reason      string
	Forced      bool

	RefusalCode string // of the last instance that was given back
	Instance    string // claimed, or empty
	ClaimedAt   time.Time
	Adopted     bool
	Submitting  bool // a submission was begun and its answer is not known
	Submissions int  // of this instance
	SubmittedAt time.Time
	Status      string // the server's, as last seen
	StatusSince time.Time

	Challenge *Challenge // the newest
	Records   []Placed   // ours and others', for every challenge so far
	VisibleAt time.Time
	Version   string

	Waiting   string // what the step waits for
	Error     string // of the last failure that nothing succeeded after
	Hint      string
	FailedAt  time.Time   // when that was
	Until     time.Time   // not before then, because of the failure
	Stopped   bool        // until a person acts
	Transient bool        // waiting may cure the failure
	failures  []time.Time // in a row

	Outcome Outcome
	EndedAt time.Time
	Damaged int // lines of the journal that could not be read

	path string
}

// Placed is a validation record and how far it came.
type Placed struct {
	Record
	Asked bool // an add was sent, perhaps without an answer
	Kept  bool // it is someone else's
	Gone  bool // it was removed
}

// Owed says that the record may stand in the zone because of us.
func (p Placed) Owed() bool { return p.Asked && !p.Kept && !p.Gone }

// Load reads the open order of the certificate whose directory is dir. It
// returns nil when there is none.
func Load(dir string) (*Order, error) { return load(dir, openName) }

// Last reads the order that was archived last, as Load reads the open one.
func Last(dir string) (*Order, error) { return load(dir, lastName) }

// History reads the facts of the open order of the certificate whose directory
// is dir, and of the one that was archived last; each may be empty.
func History(dir string) (open, last []Fact, err error) {
	if open, _, err = journal.Read[Fact](filepath.Join(dir, openName)); err != nil {
		return nil, nil, err
	}
	last, _, err = journal.Read[Fact](filepath.Join(dir, lastName))
	return open, last, err
}

func load(dir, name string) (*Order, error) {
	path := filepath.Join(dir, name)
	facts, damaged, err := journal.Read[Fact](path)
	if err != nil {
		return nil, err
	}
	if len(facts) == 0 && damaged == 0 {
		return nil, nil
	}
	o := &Order{Certificate: filepath.Base(dir), path: path, Damaged: damaged}
	for _, fact := range facts {
		o.apply(fact)
	}
	return o, nil
}

const (
	openName = "order.journal"
	lastName = "last-order.journal"
)

// Open begins an order of the certificate whose directory is dir.
func Open(dir string, opened Fact) (*Order, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open order: %w", err)
	}
	o := &Order{Certificate: filepath.Base(dir), path: filepath.Join(dir, openName)}
	opened.Kind = Opened
	return o, o.Record(opened)
}

// Record makes a fact durable and applies it to the state.
func (o *Order) Record(fact Fact) error {
	if err := journal.Append(o.path, fact); err != nil {
		return err
	}
	o.apply(fact)
	return nil
}

// Archive sets the journal of an ended order aside as the last one.
func (o *Order) Archive() error {
	dir := filepath.Dir(o.path)
	if err := os.Rename(o.path, filepath.Join(dir, lastName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("close order: %w", err)
	}
	if err := atomicfile.SyncDir(dir); err != nil {
		return fmt.Errorf("close order: %w", err)
	}
	return nil
}

// FailuresSince counts the failures in a row, of the present step, that came
// after a time.
func (o *Order) FailuresSince(since time.Time) int {
	i := slices.IndexFunc(o.failures, func(at time.Time) bool { return at.After(since) })
	if i < 0 {
		return 0
	}
	return len(o.failures) - i
}

// Step derives what comes next.
func (o *Order) Step() Step {
	switch {
	case o.Outcome != "":
		return Done
	case o.Version != "":
		return CleanUp
	case o.Instance == "":
		return Allocate
	case o.SubmittedAt.IsZero() || o.Status == StatusFailed:
		return Submit
	case o.Status == StatusIssued:
		return Collect
	case o.Challenge == nil || !o.presented():
		return Present
	case o.VisibleAt.IsZero():
		return Propagate
	}
	return Issue
}

// What Seen says of an order whose end the server has told.
const (
	StatusIssued = "issued"
	StatusFailed = "failed"
)

func (o *Order) presented() bool {
	p := o.Placed()
	return p != nil && (p.Kept || p.RecordID != "")
}

// Placed returns the record of the present challenge, or nil: the last one,
// since a CNAME that came in between leads to another place.
func (o *Order) Placed() *Placed {
	if o.Challenge == nil {
		return nil
	}
	for i := len(o.Records) - 1; i >= 0; i-- {
		if o.Records[i].serves(*o.Challenge) {
			return &o.Records[i]
		}
	}
	return nil
}

// Asked says that an add of exactly this record was sent and nothing was
// removed since.
func (o *Order) Asked(r Record) bool {
	i := slices.IndexFunc(o.Records, func(p Placed) bool { return p.same(r) })
	return i >= 0 && o.Records[i].Asked && !o.Records[i].Gone
}

// Owed returns the records that are still to be removed.
func (o *Order) Owed() []Record {
	var owed []Record
	for _, p := range o.Records {
		if p.Owed() {
			owed = append(owed, p.Record)
		}
	}
	return owed
}

func (o *Order) place(r Record) *Placed {
	i := slices.IndexFunc(o.Records, func(p Placed) bool { return p.same(r) })
	if i < 0 {
		o.Records = append(o.Records, Placed{Record: r})
		i = len(o.Records) - 1
	}
	if r.RecordID != "" {
		o.Records[i].RecordID = r.RecordID
	}
	return &o.Records[i]
}
