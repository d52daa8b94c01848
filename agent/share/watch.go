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
	againAfter  = time.Second            // a watch that ended begins anew, at the soonest
	againSpread = 10 * time.Second       // and at the latest
)

// Watch tells which certificates there is something new of in the fleet, until ctx is done.
func (s *Share) Watch(ctx context.Context, wake chan<- map[string]bool) {
	if s == nil {
		return
	}
	n := &news{ctx: ctx, wake: wake}
	for ctx.Err() == nil {
		if err := s.follow(ctx, n); err != nil && ctx.Err() == nil {
			s.host.Log.Debug("the fleet is watched anew", "error", err)
		}
		s.mu.Lock()
		s.live, s.read = false, time.Time{}
		s.mu.Unlock()
		_ = state.SleepUntil(ctx, state.Now().Add(againAfter+chance.Below(againSpread)))
	}
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
		s.rollouts[r.Name] = r
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
