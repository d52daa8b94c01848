package agent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"dvagent/internal/hint"
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

// Outcome is how the work on a certificate stands after a pass.
type Outcome struct {
	Certificate string
	Class       Class
	Next        time.Time // when to look again
	Step        string
	Waiting     string    // for what, while pending
	Since       time.Time // when this process began to wait at this step
	Err         error
	Ordered     bool // an order was completed in this pass
	Retry       bool // looking again at Next may help without a person
	Transient   bool // Err is of the kind that passes by itself
}

// Hint is what the operator can do, or "".
func (o Outcome) Hint() string { return hint.Of(o.Err) }

func failed(certificate string, err error) Outcome {
	return Outcome{Certificate: certificate, Class: Failure, Err: err}
}

// merged makes one outcome of those of one certificate.
func merged(outcomes []Outcome) []Outcome {
	var all []Outcome
	index := map[string]int{}
	for _, outcome := range outcomes {
		i, known := index[outcome.Certificate]
		if !known {
			index[outcome.Certificate] = len(all)
			all = append(all, outcome)
			continue
		}
		all[i] = all[i].and(outcome)
	}
	return all
}

// outcomeOf is a failure, or nothing worth telling.
func outcomeOf(certificate string, err error) Outcome {
	if err != nil {
		return failed(certificate, err)
	}
	return Outcome{Certificate: certificate}
}

// Worst is the class of the worst outcome.
func Worst(outcomes []Outcome) Class {
	worst := Served
	for _, outcome := range outcomes {
		worst = max(worst, outcome.Class)
	}
	return worst
}

// and keeps the class that counts, and the sooner look.
func (o Outcome) and(other Outcome) Outcome {
	worse := o
	if other.Class > o.Class {
		worse = other
	}
	worse.Certificate = o.Certificate
	worse.Ordered = o.Ordered || other.Ordered
	worse.Retry = worse.Retry || o.Class == Pending && o.Retry
	worse.Next = sooner(o.Next, other.Next)
	return worse
}

// sooner returns the earlier of two times, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// also puts two errors into one line.
func also(err, other error) error {
	if err == nil || other == nil {
		return cmp.Or(err, other)
	}
	return fmt.Errorf("%w; %w", err, other)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
