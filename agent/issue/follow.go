package issue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// follower is the look at the account for a certificate that follows: it orders
// nothing, and keeps what the account holds for its names with a key.
type follower struct {
	desk     *Desk
	snapshot state.Snapshot
	now      time.Time
}

// follow looks at the account where the certificate is due, or an operator wants
// it to. It returns what the disk says then.
func (d *Desk) follow(ctx context.Context, s state.Snapshot, forced bool) (state.Snapshot, state.Outcome) {
	f := &follower{desk: d, snapshot: s, now: state.Now()}
	if s.Due(f.now) == "" && !forced {
		return s, f.outcome(s.RenewsAt())
	}
	if failure, _ := s.FollowFailure(); d.scope.HeldUp(failure.At, failure.Until) {
		return s, f.failed(state.Recall(failure.Text, failure.Hint, failure.Cause), failure.Until)
	}
	found, err := f.look(ctx)
	if err == nil && found == nil {
		return s, f.without()
	}
	if err == nil {
		err = f.keep(found)
	}
	if err != nil {
		return f.snapshot, f.fail(ctx, err)
	}
	outcome := f.outcome(f.snapshot.RenewsAt())
	outcome.Ordered = true
	return f.snapshot, outcome
}

// leaveToFleet is the outcome of a certificate that the fleet provides, and no account.
func (d *Desk) leaveToFleet(s state.Snapshot, did state.Deed) state.Outcome {
	f := &follower{desk: d, snapshot: s, now: state.Now()}
	outcome := f.outcome(s.RenewsAt())
	outcome.Did = did
	return outcome
}

// look finds the certificate that ends last and, where the installed one can be
// served, after that; nil: there is none.
func (f *follower) look(ctx context.Context) (*Stored, error) {
	c, until := f.snapshot.Config, f.snapshot.ServesUntil()
	lists, err := f.desk.listsFor(ctx, c.Account, c.Name)
	if err != nil {
		return nil, err
	}
	shelf, keeps := lists.issuer.(Shelf)
	if !keeps {
		return nil, errors.New("the account's API keeps no certificates with their keys")
	}
	for stored, err := range shelf.Stored(ctx, c.Domains, until) {
		if err != nil {
			return nil, err
		}
		if stored.Bundle.Leaf.NotAfter.After(until) && stored.Bundle.Verify(c.Domains, f.now) == nil {
			return &stored, nil
		}
	}
	return nil, nil
}

func (f *follower) keep(found *Stored) error {
	if err := f.snapshot.Keep(found.Bundle); err != nil {
		return err
	}
	f.tell(state.Progress{Text: fmt.Sprintf("took certificate %s of the account, valid until %s",
		found.ID, words.Date(found.Bundle.Leaf.NotAfter))})
	return f.snapshot.Followed()
}

// outcome is that of a certificate that is served, or waits, until a time; one
// that is due is looked at again after the interval.
func (f *follower) outcome(next time.Time) state.Outcome {
	if !next.After(f.now) {
		next = f.now.Add(state.BeforeEmergency(f.desk.host.Config.Service.Interval, f.snapshot.Leaf, f.now))
	}
	return state.Outcome{Certificate: f.snapshot.Config.Name, Step: state.StepFollow, Next: next}
}

// without is the outcome where the account holds nothing new. While what is
// installed is good, nobody has to act; in its last tenth an operator is asked.
func (f *follower) without() state.Outcome {
	none := errors.New("no certificate for these names with a key is in the account yet")
	if !f.snapshot.ServesUntil().IsZero() {
		none = errors.New("no newer certificate for these names with a key is in the account yet")
	}
	if f.snapshot.Emergency(f.now) {
		none = hint.Add(none, "see why it is not renewed where it is ordered, and whether its key is put into the account; dvagent certs list shows what is there")
		next := f.now.Add(state.BeforeEmergency(state.LongestBackoff, f.snapshot.Leaf, f.now))
		news, err := f.snapshot.FollowFailed(none, next)
		outcome := f.failed(state.Also(none, err), next)
		outcome.News, outcome.Transient = news, true // that it ends is told already
		return outcome
	}
	f.tell(state.Progress{Text: none.Error() + "; it follows, and orders nothing"})
	outcome := f.outcome(f.snapshot.RenewsAt())
	outcome.Waiting = none.Error()
	if f.snapshot.ServesUntil().IsZero() {
		outcome.Class = state.Pending
	}
	return outcome.AndFailed(f.snapshot.Followed())
}

// fail records why the look failed, and when the next one comes.
func (f *follower) fail(ctx context.Context, err error) state.Outcome {
	if ctx.Err() != nil {
		return state.Outcome{Certificate: f.snapshot.Config.Name, Class: state.Pending, Step: state.StepFollow, Waiting: state.Interrupted}
	}
	if until := f.snapshot.ServesUntil(); state.Transient(err) && !until.IsZero() {
		err = state.SayEnd(err, until)
	}
	_, inARow := f.snapshot.FollowFailure()
	next := f.now.Add(state.BeforeEmergency(state.Backoff(inARow, err), f.snapshot.Leaf, f.now))
	news, recordErr := f.snapshot.FollowFailed(err, next)
	outcome := f.failed(state.Also(err, recordErr), next)
	outcome.Transient = state.Transient(err)
	outcome.Retry = outcome.Transient || state.Rejected(err)
	outcome.News = news && !outcome.Transient
	return outcome
}

func (f *follower) failed(err error, next time.Time) state.Outcome {
	f.tell(state.Progress{Err: err})
	outcome := state.Failed(f.snapshot.Config.Name, err)
	outcome.Step, outcome.Next = state.StepFollow, next
	return outcome
}

func (f *follower) tell(p state.Progress) {
	p.At, p.Certificate, p.Step, p.Emergency = f.now, f.snapshot.Config.Name, state.StepFollow, f.snapshot.Emergency(f.now)
	f.desk.host.Observe(p)
}
