package share

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/chance"
)

// newsSpread is between a change and the look at it, so that many hosts do not ask for a
// bundle at the same moment.
const newsSpread = 500 * time.Millisecond

// Watch tells which certificates there is something new of in the fleet, until ctx is done.
func (s *Share) Watch(ctx context.Context, wake chan<- map[string]bool) {
	if s == nil {
		return
	}
	n := &news{ctx: ctx, wake: wake}
	again := newAgain(s.timing)
	for {
		began := time.Now()
		err := s.follow(ctx, n)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.live, s.read = false, time.Time{}
		s.mu.Unlock()
		after, isNew := again.after(err, time.Since(began))
		s.host.Log.Debug("the fleet is watched anew", "error", err)
		if isNew {
			s.host.Log.Warn("the fleet is not watched, so that its news come late", "error", err)
		}
		_ = state.SleepUntil(ctx, state.Now().Add(after))
	}
}

// again says when a watch that has ended begins anew: twice as late each time that it ends
// at once.
type again struct {
	timing timing
	floor  time.Duration
	told   map[string]bool // why watches ended at once
}

func newAgain(t timing) *again { return &again{timing: t, floor: t.again, told: map[string]bool{}} }

const (
	againSpread  = 10 // times the least pause is what comes to it at most, so that many hosts do not come at the same moment
	againLongest = 16 // times the first pause: a few minutes, with what comes to it
)

// after is how long to wait after a watch that lasted for so long. isNew says that it ended
// at once for a reason that was not told yet.
func (a *again) after(ended error, lasted time.Duration) (after time.Duration, isNew bool) {
	if lasted >= a.timing.holds {
		*a = *newAgain(a.timing)
	} else if cause := state.Cause(ended); !a.told[cause] {
		a.told[cause], isNew = true, true
	}
	after = a.floor + chance.Below(againSpread*a.floor)
	a.floor = min(2*a.floor, againLongest*a.timing.again)
	return after, isNew
}

// follow keeps the rollouts as they are in etcd for as long as it can, and says why it
// cannot any more.
func (s *Share) follow(ctx context.Context, n *news) error {
	s.mu.Lock()
	fresh := time.Since(s.read).Abs() < readLasts // by the first pass
	s.mu.Unlock()
	if !fresh {
		if err := s.readAnew(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.live = true
	at, left := s.at, s.left()
	s.mu.Unlock()
	n.add(left)
	return s.watch(ctx, at, n)
}

// watch is told of changes by etcd, and asks beside that whether etcd is still there: a
// watch waits in silence for one that is away.
func (s *Share) watch(ctx context.Context, at int64, n *news) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	beside.Go(func() { end(s.attend(ctx, at)) })
	err := s.fleet.Watch(ctx, at, func(r fleet.Rollout) {
		s.mu.Lock()
		before := s.rollouts[r.Name]
		s.rollouts[r.Name] = r
		tells := s.concerns(r) && s.changes(before, r)
		s.mu.Unlock()
		if tells {
			n.add(map[string]bool{r.Name: true})
		}
	})
	return cmp.Or(context.Cause(ctx), err)
}

// errForgot says that an old backup of etcd was put back: a watch would wait until it has
// come as far again.
var errForgot = errors.New("etcd holds an older state than it did")

// attend asks from time to time how far etcd has come, and returns when it does not say, or
// has come less far.
func (s *Share) attend(ctx context.Context, at int64) error {
	for {
		if err := state.SleepUntil(ctx, state.Now().Add(s.timing.ask+chance.Below(s.timing.ask/4))); err != nil {
			return err
		}
		now, err := s.fleet.Revision(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.mu.Lock()
		if s.hears(err); err == nil {
			s.comes(now)
		}
		s.mu.Unlock()
		if err == nil && now < at {
			err = errForgot
		}
		if err != nil {
			return err
		}
		at = now
	}
}

// left are the certificates for which there may be something to do, now that etcd answers:
// to take what was published, to publish what the fleet lacks, or to say how this host
// fares. One look lets it register again what etcd has forgotten. The mutex must be held.
func (s *Share) left() map[string]bool {
	all, names := map[string]bool{}, s.names()
	if s.forgot && len(names) > 0 {
		all[names[0]] = true
	}
	for _, name := range names {
		r, known := s.rollouts[name]
		owed := s.book != nil && r.Tries[s.book.host()].State == fleet.Trying
		if owed || known && s.concerns(r) || !known && s.serving[name] != "" {
			all[name] = true
		}
	}
	return all
}

// concerns says that a certificate of this host is at another version.
func (s *Share) concerns(r fleet.Rollout) bool {
	_, configured := s.host.Config.Certificate(r.Name)
	serving, looked := s.serving[r.Name]
	return configured && (!looked || serving != r.Version.ID)
}

// changes says that a change of a rollout changes what this host does.
func (s *Share) changes(before, r fleet.Rollout) bool {
	if s.book == nil || before.ID != r.ID {
		return true
	}
	now := state.Now()
	was, _ := gate(before, s.book.host(), s.host.Config.Fleet.Canaries, now)
	is, _ := gate(r, s.book.host(), s.host.Config.Fleet.Canaries, now)
	return was != is
}

// news gathers certificates for a moment before it wakes somebody for them.
type news struct {
	ctx  context.Context
	wake chan<- map[string]bool

	mu      sync.Mutex
	pending map[string]bool
}

func (n *news) add(names map[string]bool) {
	if len(names) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending == nil {
		n.pending = map[string]bool{}
		time.AfterFunc(chance.Below(newsSpread), n.tell)
	}
	for name := range names {
		n.pending[name] = true
	}
}

func (n *news) tell() {
	n.mu.Lock()
	names := n.pending
	n.pending = nil
	n.mu.Unlock()
	select {
	case n.wake <- names:
	case <-n.ctx.Done():
	}
}
