package order

import (
	"cmp"
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
	Number      int      // among the orders of hosts that share the certificate; 0: this host is alone
	Host        string   // of those, the one that opened it
	Domains     []string // what it was, or will be, submitted with
	Account     string
	DNSAccount  string
	Webroot     string // where files go that prove the domains, or ""
	Reason      string
	Forced      bool
	API         string // that it is bound to since it claimed an instance
	Package     string // that it draws on, or ""
	Bare        bool   // the parents of wildcards come along, and are not asked for

	GivenBack    map[string]time.Time // when each instance was that the server refused
	RefusalCode  string               // of the last instance that was given back
	Instance     string               // claimed, or empty; of a package a name that is the certificate's alone
	ClaimedAt    time.Time
	Adopted      bool
	Before       string    // the certificate that the instance had already, by its id
	Former       []string  // keys that it had before, and that are lost, or were revoked with their certificate
	Key          string    // bundle.KeyID of the private key that was made for it, or empty
	Submitting   bool      // a submission was begun and its answer is not known
	Submissions  int       // of this instance
	SubmittingAt time.Time // when the last one was begun
	Stock        *Stock    // what the package showed then, or nil
	SubmittedAt  time.Time
	RequestID    string // of the submission that was answered, or ""
	ServerOrder  string // the server's id of the order, where it gave one
	Status       string // the server's, as last seen

	Challenges []Challenge // the present ones
	Records    []Placed    // ours and others', for every challenge so far
	ProvedAt   time.Time   // when the last of them was seen to stand in the zone, or zero
	Version    string

	Waiting  string      // what the step waits for
	Failure  Failure     // the last that nothing succeeded after
	failures []time.Time // in a row

	Outcome Outcome
	EndedAt time.Time

	dir    string
	log    *journal.Log[Fact]
	looked int              // lines of the log when it was looked at whether it is too long
	share  func(Fact) error // nil: this host is alone
}

// API2018 is what the orders of an older dvagent are bound to, which knew no
// other.
const API2018 = "2018-07-13"

// Failure is why a step failed. Without a text there is none.
type Failure struct {
	Text, Hint string
	Cause      string // a word that the agent decides by, such as CauseNoInstance
	At         time.Time
	Until      time.Time // not tried again before then
	Stopped    bool      // until an operator acts
	Transient  bool      // waiting may cure it
}

// CauseNoInstance is the cause of a failure for want of an instance.
const CauseNoInstance = "no spare instance"

// Placed is a validation record and how far it came.
type Placed struct {
	Record Record
	Asked  bool      // an add was sent, perhaps without an answer
	Kept   bool      // it is someone else's
	Gone   bool      // it was removed
	Seen   time.Time // when the name servers showed it, or zero
}

// owed says that the record may stand in the zone because of us.
func (p Placed) owed() bool { return p.Asked && !p.Kept && !p.Gone }

// stands says that the record is known to be in the zone.
func (p Placed) stands() bool { return p.Kept || p.Record.RecordID != "" }

// OpenFile is the name of an open order's journal in its certificate's directory.
const (
	OpenFile = "order.journal"
	lastFile = "last-order.journal"
)

// Load reads the open order of the certificate whose directory is dir. It
// returns nil when there is none.
func Load(dir string) (*Order, error) { return load(dir, OpenFile) }

// Last reads the order that was archived last, as Load reads the open one.
func Last(dir string) (*Order, error) { return load(dir, lastFile) }

// LastName is the validation name of the order that was archived last, or "".
func LastName(dir string) (string, error) {
	last, err := Last(dir)
	if err != nil || last == nil || len(last.Challenges) == 0 {
		return "", err
	}
	return last.Challenges[0].Name, nil
}

// Past is an order that was archived.
type Past struct {
	Order *Order
	Facts []Fact
}

// Archived are the orders that were archived, the oldest first. Beside an error, which is
// of one that cannot be read, are those that can.
func Archived(dir string) (all []Past, err error) {
	for n := mostArchived; n >= 1; n-- {
		o, unread := load(dir, archive(n))
		if o != nil {
			var facts []Fact
			_, facts, unread = read(dir, archive(n))
			all = append(all, Past{o, facts})
		}
		err = cmp.Or(err, unread)
	}
	return all, err
}

// mostArchived is how many ended orders are kept.
const mostArchived = 10

// archive is the journal of the order that was archived n-th to last.
func archive(n int) string {
	if n == 1 {
		return lastFile
	}
	return fmt.Sprintf("last-order.%d.journal", n)
}

// History reads the facts of the open order of the certificate whose directory
// is dir, and of the one that was archived last; each may be empty. Where only that
// one cannot be read, open is whole.
func History(dir string) (open, last []Fact, err error) {
	if _, open, err = read(dir, OpenFile); err != nil {
		return nil, nil, err
	}
	_, last, err = read(dir, lastFile)
	return open, last, err
}

func load(dir, name string) (*Order, error) {
	log, facts, err := read(dir, name)
	if err != nil {
		return nil, err
	}
	if len(facts) == 0 && log.Damage().Lines == 0 {
		return nil, nil
	}
	o := &Order{Certificate: filepath.Base(dir), dir: dir, log: log}
	for _, fact := range facts {
		o.apply(fact)
	}
	return o, nil
}

func read(dir, name string) (*journal.Log[Fact], []Fact, error) {
	log, facts, err := journal.Open[Fact](filepath.Join(dir, name))
	for i := range facts {
		facts[i] = fromOlder(facts[i])
	}
	return log, facts, err
}

// Damage tells what of the journal could not be read.
func (o *Order) Damage() journal.Damage { return o.log.Damage() }

// Archive sets the journal of an ended order aside as the last one, and those
// before it further back. The oldest is dropped.
func (o *Order) Archive() error {
	if _, err := os.Lstat(filepath.Join(o.dir, OpenFile)); errors.Is(err, fs.ErrNotExist) {
		return nil // a killed process came so far
	}
	if err := o.shift(1); err != nil {
		return fmt.Errorf("close order: %w", err)
	}
	if err := os.Rename(filepath.Join(o.dir, OpenFile), filepath.Join(o.dir, lastFile)); err != nil {
		return fmt.Errorf("close order: %w", err)
	}
	if err := atomicfile.SyncDir(o.dir); err != nil {
		return fmt.Errorf("close order: %w", err)
	}
	return nil
}

// shift makes room for an archive by setting it, and what is in its way, one
// further back.
func (o *Order) shift(n int) error {
	path := filepath.Join(o.dir, archive(n))
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if n == mostArchived {
		return os.Remove(path)
	}
	if err := o.shift(n + 1); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(o.dir, archive(n+1)))
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
	case o.SubmittedAt.IsZero() || o.Status == StatusFailed || o.Status == StatusNone:
		return Submit
	case o.Status == StatusIssued:
		return Collect
	case len(o.Challenges) == 0 || len(o.Unproved()) > 0:
		return Present
	case len(o.Unseen()) > 0:
		return Propagate
	}
	return Issue
}

// What Seen says of an order whose end the server has told.
const (
	StatusIssued = "issued"
	StatusFailed = "failed"
	StatusNone   = "nothing came of it" // the instance takes the same order again
)

// Proof returns the record of a challenge, or nil: the last one, since a CNAME
// that came in between leads to another place. A file in another webroot, which
// the certificate had before, is none.
func (o *Order) Proof(c Challenge) *Placed {
	for i := len(o.Records) - 1; i >= 0; i-- {
		if r := o.Records[i].Record; r.Serves(c) && (c.Kind != File || r.Zone == o.Webroot) {
			return &o.Records[i]
		}
	}
	return nil
}

// Unproved returns the present challenges whose record is not in the zone yet.
func (o *Order) Unproved() []Challenge {
	var unproved []Challenge
	for _, c := range o.Challenges {
		if proof := o.Proof(c); proof == nil || !proof.stands() {
			unproved = append(unproved, c)
		}
	}
	return unproved
}

// Unseen returns the records of present challenges that are in the zone and
// that the name servers did not show yet.
func (o *Order) Unseen() []*Placed {
	var unseen []*Placed
	for _, c := range o.Challenges {
		if proof := o.Proof(c); proof != nil && proof.stands() && proof.Seen.IsZero() {
			unseen = append(unseen, proof)
		}
	}
	return unseen
}

// ShownAt is when the name servers showed the last of the present challenges'
// records; zero: they do not show all yet.
func (o *Order) ShownAt() time.Time {
	var last time.Time
	for _, c := range o.Challenges {
		proof := o.Proof(c)
		if proof == nil || proof.Seen.IsZero() {
			return time.Time{}
		}
		if proof.Seen.After(last) {
			last = proof.Seen
		}
	}
	return last
}

// Asked says that an add of exactly this record was sent and nothing was
// removed since.
func (o *Order) Asked(r Record) bool {
	return slices.ContainsFunc(o.Records, func(p Placed) bool { return p.Record.coincides(r) && p.Asked && !p.Gone })
}

// Owed returns the records that are still to be removed.
func (o *Order) Owed() []Record {
	var owed []Record
	for _, p := range o.Records {
		if p.owed() {
			owed = append(owed, p.Record)
		}
	}
	return owed
}

// Needs says that the open order may still want the record: it serves a present
// challenge, or is in the zone as far as the order knows, even where the line
// is lost that tells whose it is.
func (o *Order) Needs(r Record) bool {
	if slices.ContainsFunc(o.Challenges, r.Serves) {
		return true
	}
	i := slices.IndexFunc(o.Records, func(p Placed) bool { return p.Record.same(r) })
	return i >= 0 && !o.Records[i].Gone
}

func (o *Order) place(r Record) *Placed {
	i := slices.IndexFunc(o.Records, func(p Placed) bool { return p.Record.same(r) })
	if i < 0 {
		o.Records = append(o.Records, Placed{Record: r})
		i = len(o.Records) - 1
	}
	if r.RecordID != "" {
		o.Records[i].Record.RecordID = r.RecordID
	}
	if r.Made > 0 {
		o.Records[i].Record.Made = r.Made
	}
	return &o.Records[i]
}
