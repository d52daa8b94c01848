package share

import (
	"context"
	"sync"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/chance"
)

// How a fleet of many hosts keeps from doing the same at one moment.
const (
	newsSpread  = 500 * time.Millisecond // between a change and the look at it
	againAfter  = time.Second            // a watch that ended begins anew after that, at the soonest
	againMost   = 32 * time.Second       // and after that where it ends again and again
	againSpread = 10                     // times as long, at the latest
	watchHolds  = time.Minute            // a watch that lasted for so long was a good one
)

// Watch tells which certificates there is something new of in the fleet, until ctx is done.
func (s *Share) Watch(ctx context.Context, wake chan<- map[string]bool) {
	if s == nil {
		return
	}
	n := &news{ctx: ctx, wake: wake}
	again := againAfter
	for ctx.Err() == nil {
		began := time.Now()
		err := s.follow(ctx, n)
		s.mu.Lock()
		s.live, s.read = false, time.Time{}
		s.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if again = longer(again, time.Since(began)); again == againMost {
			s.host.WarnOnce("", "the fleet is not watched, so that its news come late: "+err.Error())
		}
		s.host.Log.Debug("the fleet is watched anew", "error", err)
		_ = state.SleepUntil(ctx, state.Now().Add(again+chance.Below(againSpread*again)))
	}
}

// longer is the pause after a watch that has lasted for so long, and after the one before
// that pause.
func longer(before, lasted time.Duration) time.Duration {
	if lasted >= watchHolds {
		return againAfter
	}
	return min(2*before, againMost)
}

// follow keeps the rollouts as they are in etcd for as long as it can.
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
	at, all := s.at, s.rollouts
	wanted := map[string]bool{}
	for _, name := range s.names() {
		if r, known := all[name]; known && s.concerns(r) {
			wanted[name] = true
		}
	}
	s.mu.Unlock()
	n.add(wanted)
	return s.fleet.Watch(ctx, at, func(r fleet.Rollout) {
		s.mu.Lock()
		before := s.rollouts[r.Name]
		s.rollouts[r.Name], s.heard, s.silent = r, time.Now(), nil
		tells := s.concerns(r) && s.changes(before, r)
		s.mu.Unlock()
		if tells {
			n.add(map[string]bool{r.Name: true})
		}
	})
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
