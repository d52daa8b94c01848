package state

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"dvagent/internal/hint"
	"dvagent/internal/words"
)

// Class says how the work on a certificate stands. Of several certificates the
// worst one counts.
type Class int

// The classes, from good to bad.
const (
	Served     Class = iota // nothing is left to do now
	Pending                 // an order is open, or a record is owed
	NotServed               // issued, but a deployment is owed
	NoInstance              // an order is due and there is no spare instance
	Failure
)

// Deed is the greatest thing that was done to a certificate, beside an order.
type Deed int

// The deeds, the smallest first.
const (
	Nothing   Deed = iota
	Swept          // a record that was owed is removed
	Told           // the hooks ran
	Uploaded       // the current version is in the account
	Installed      // on every target
	TookOver       // the pair in place is the current version
	WentBack       // this host followed a rollback of its fleet
	Imported       // a pair from elsewhere is
	Forgot         // all that was kept is removed
)

// Outcome is how the work on a certificate stands after it was worked on.
type Outcome struct {
	Certificate string
	Class       Class
	Next        time.Time // when to look again
	Step        string
	Waiting     string    // for what, while pending
	Since       time.Time // when this process began to wait at this step
	Err         error
	Ordered     bool // an order was completed, or something newer that is followed has come
	Did         Deed
	Retry       bool // looking again at Next may help without an operator
	Transient   bool // Err is of the kind that passes by itself
	News        bool // Err was not told before: the hooks of "failed" run
}

// Hint is what the operator can do, or "".
func (o Outcome) Hint() string { return hint.Of(o.Err) }

// Failed is the outcome of work that an error ended.
func Failed(certificate string, err error) Outcome {
	return Outcome{Certificate: certificate, Class: Failure, Err: err}
}

// And makes one outcome of two of a certificate: the worse class speaks, of two
// alike the first; the sooner look counts. Looking again helps where either
// can be helped by it: one of the class that speaks, or a pending one, which
// goes on whatever else has failed. So neither order of the two loses a retry.
func (o Outcome) And(other Outcome) Outcome {
	worse := o
	if other.Class > o.Class {
		worse = other
	}
	helps := func(one Outcome) bool { return one.Retry && (one.Class == worse.Class || one.Class == Pending) }
	worse.Certificate = cmp.Or(o.Certificate, other.Certificate)
	worse.Retry = helps(o) || helps(other)
	worse.Ordered, worse.Did = o.Ordered || other.Ordered, max(o.Did, other.Did)
	worse.Next = Sooner(o.Next, other.Next)
	return worse
}

// AndFailed is And with a failure, unless err is nil.
func (o Outcome) AndFailed(err error) Outcome {
	if err == nil {
		return o
	}
	return o.And(Failed(o.Certificate, err))
}

// Worst is the class of the worst outcome.
func Worst(outcomes []Outcome) Class {
	worst := Served
	for _, outcome := range outcomes {
		worst = max(worst, outcome.Class)
	}
	return worst
}

// Also puts two errors into one line.
func Also(err, other error) error {
	if err == nil || other == nil {
		return cmp.Or(err, other)
	}
	return fmt.Errorf("%w; %w", err, other)
}

// SayEnd adds to an error's hint when the certificate ends that is in place. It is written
// down, and true whenever it is read: not that it is valid now.
func SayEnd(err error, ends time.Time) error {
	return hint.Add(err, strings.TrimPrefix(hint.Of(err)+"; the present certificate ends on "+words.Date(ends), "; "))
}

// Interrupted is what work waits for that a signal or a time limit cut off.
const Interrupted = "the next call, for this one was interrupted"
