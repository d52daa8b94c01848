package state

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/chance"
	"dvagent/internal/hint"
)

// MostTries is how often a one-shot tries what fails for a passing reason
// before anything is claimed, and the removal of a record.
const MostTries = 3

// LongestBackoff is how long anything is held up because it failed.
const LongestBackoff = time.Hour

// StillHeld says that a failure's time has not run out. One that lies further
// ahead than any backoff was written by a clock that was wrong.
func StillHeld(until time.Time) bool {
	left := until.Sub(Now())
	return left > 0 && left <= LongestBackoff
}

// Transient says that waiting may cure the failure: the error says so itself.
func Transient(err error) bool {
	var fault interface{ Transient() bool }
	return errors.As(err, &fault) && fault.Transient()
}

// Rejected says that the credentials were not accepted. They are read anew for
// each call, so that a rotation cures it.
func Rejected(err error) bool {
	var fault interface{ Rejected() bool }
	return errors.As(err, &fault) && fault.Rejected()
}

// Cause is the same for two failures of which the second is no news. An error
// that knows its cause leaves out what differs each time: the id of a request,
// a port, what a command wrote last.
func Cause(err error) string {
	var known interface{ Cause() string }
	if errors.As(err, &known) {
		return known.Cause()
	}
	return err.Error()
}

// News says that a failure is another one than that which was told: by its cause
// or, by an older dvagent, which knew no causes, in a text that holds it.
func News(cause, told string) bool {
	_, rest, found := strings.Cut(told, cause)
	return cause == "" || !found || rest != "" && rest[0] >= '0' && rest[0] <= '9' // another exit status
}

// Recall is an error as it was recorded: with its text, hint and cause. A fact
// of an older dvagent has no cause; its text stands for it.
func Recall(text, advice, cause string) error {
	return hint.Add(&recalled{text, cmp.Or(cause, text)}, advice)
}

type recalled struct{ text, cause string }

func (e *recalled) Error() string { return e.text }
func (e *recalled) Cause() string { return e.cause }

// Backoff grows with the failures in a row, up to an hour: from a second for what
// passes by itself, and from a minute for what an operator must mend, or sooner where
// the next look may show something else: credentials that are being rotated, a list
// that lacks a fresh instance. What passes by itself comes to an hour after five hours
// alone.
func Backoff(failures int, err error) time.Duration {
	first := time.Minute
	switch {
	case Transient(err):
		first = time.Second
	case Rejected(err):
		first = 5 * time.Second
	case Cause(err) == order.CauseNoInstance:
		first = 2 * time.Second
	}
	delay := min(first<<min(failures, 12), LongestBackoff)
	if Transient(err) {
		delay = min(delay, outlasted(failures))
	}
	return delay - chance.Below(delay/5)
}

// outlasted bounds the wait while a failure that passes by itself goes on: by five
// minutes and a fifth of the time that it has lasted, or little more.
func outlasted(failures int) time.Duration {
	bound := 5 * time.Minute
	for n := soonTries; n < failures && bound < LongestBackoff; n++ {
		bound += bound / 5
	}
	return min(bound, LongestBackoff)
}

// soonTries is how many tries there are until they follow each other by five minutes.
const soonTries = 9
