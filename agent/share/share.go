// Package share decides what this host takes from its fleet and what it gives to it: a
// published version is installed when the canaries have proved it, a newer one of this
// host's is published, and the fleet is told what this host serves. It orders and deploys
// nothing. A host without [fleet] has none of it: a nil Share, and a nil Pass, do nothing.
package share

import (
	"context"
	"errors"
	"sync"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/chance"
)

// Share is this host's part in the fleet. It is safe for concurrent use.
type Share struct {
	host  *state.Host
	fleet *fleet.Fleet

	mu       sync.Mutex
	book     *book
	rollouts map[string]fleet.Rollout
	at       int64     // etcd's revision that they are of
	read     time.Time // when they were read
	silent   error     // why they could not be read the last time, and
	asked    time.Time // when that was
	live     bool      // a watch keeps them as they are
	contact  contact
	serving  map[string]string // the version that each certificate is at
	told     fleet.Host        // what was registered last
	come     int64             // how far etcd had come when it was asked last
	forgot   bool              // it came less far after what was told

	timing timing
}

// timing is how long things last.
type timing struct {
	ask   time.Duration // beside a watch, until it is asked whether etcd is still there
	tell  time.Duration // that etcd may be away before an operator is told
	again time.Duration // until a watch that has ended begins anew
	holds time.Duration // of a watch that did not end at once
}

var atWork = timing{ask: time.Minute, tell: time.Hour, again: time.Second, holds: time.Minute}

// contact is whether etcd answers this process.
type contact struct {
	heard time.Time // when it has answered last; zero: never
	away  time.Time // since when it does not; zero: it does
}

// New contacts nothing.
func New(host *state.Host, f *fleet.Fleet) *Share {
	return &Share{host: host, fleet: f, serving: map[string]string{}, timing: atWork}
}

// Pass is a look at the certificates, under the lock. What etcd holds is read once.
type Pass struct {
	share *Share
	book  *book

	once   sync.Once
	unread error         // why etcd's rollouts are not known
	down   time.Time     // since when
	again  time.Duration // after which etcd is asked again that does not answer

	mu     sync.Mutex
	served map[string]string // by certificate, as this pass has seen it
}

// Pass begins one. The lock must be held.
func (s *Share) Pass() *Pass {
	if s == nil {
		return nil
	}
	b := s.opened()
	b.reread()
	return &Pass{share: s, book: b, again: againWithout + chance.Below(againWithout), served: map[string]string{}}
}

// againWithout is after how long an etcd that does not answer is asked again at the soonest;
// twice as long is the latest. The certificates of a host are looked at together then, and
// many hosts do not come at the same moment.
const againWithout = time.Minute

// Host is what the others call this host. The lock must be held.
func (s *Share) Host() string { return s.opened().host() }

// opened is the book.
func (s *Share) opened() *book {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book == nil {
		var err error
		if s.book, err = openBook(s.host.Dir.Shared()); err != nil {
			s.host.Log.Warn("cannot keep what is known of the fleet", "error", err)
		}
	}
	return s.book
}

// readLasts is how long what was read is news enough: a service reads it for its first
// pass, and then watches from there on.
const readLasts = 10 * time.Second

// passesShare is for how long passes share what one of them has read, where nothing is
// watched: a one-shot waits for what another host publishes.
const passesShare = 2 * time.Second

// refresh reads the rollouts, unless a watch keeps them, or they were just read or could
// not be: no pass is held up by an etcd that was just silent to another one.
func (s *Share) refresh(ctx context.Context) error {
	s.mu.Lock()
	fresh := s.live || time.Since(s.read).Abs() < passesShare
	silent := s.silent
	if time.Since(s.asked).Abs() > readLasts {
		silent = nil
	}
	s.mu.Unlock()
	if fresh || silent != nil {
		return silent
	}
	return s.readAnew(ctx)
}

func (s *Share) readAnew(ctx context.Context) error {
	rollouts, at, err := s.fleet.Rollouts(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hears(err); err == nil {
		s.comes(at)
		s.rollouts, s.at, s.read = rollouts, at, time.Now()
	}
	return err
}

// comes notes how far etcd has come. The mutex must be held.
func (s *Share) comes(at int64) {
	s.forgot, s.come = s.forgot || at < s.come, at
}

// isForgotten says that etcd may not know any more what this host has registered.
func (s *Share) isForgotten() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgot
}

// remembered is said once it knows that again.
func (s *Share) remembered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgot = false
}

// hears notes what became of a question. The mutex must be held.
func (s *Share) hears(err error) {
	s.silent, s.asked = err, time.Now()
	switch now := state.Now().UTC(); {
	case err == nil:
		s.contact = contact{heard: now}
	case s.contact.away.IsZero():
		s.contact.away = now
	}
}

// rollout is what etcd holds of a certificate's, as far as this pass knows.
func (p *Pass) rollout(ctx context.Context, name string) (fleet.Rollout, error) {
	p.once.Do(func() {
		p.unread = p.share.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		var err error
		if p.down, err = p.book.reached(p.share.contacted()); err != nil {
			p.share.host.Log.Warn("cannot keep what is known of the fleet", "error", err)
		}
	})
	if p.unread != nil {
		return fleet.Rollout{}, p.unread
	}
	s := p.share
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rollouts[name], nil
}

func (s *Share) contacted() contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contact
}

// known notes what a transaction has found or made.
func (s *Share) known(r fleet.Rollout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rollouts != nil {
		s.rollouts[r.Name] = r
	}
}

// change changes a rollout by a transaction on what was read of it, and again on what is
// there where another host was sooner. It ends where do answers ErrNothing.
func (s *Share) change(ctx context.Context, name string, do func(fleet.Rollout) (fleet.Rollout, error)) (fleet.Rollout, error) {
	for try := 1; ; try++ {
		r, err := s.fleet.Rollout(ctx, name)
		if damaged := (*fleet.RolloutError)(nil); err != nil && !errors.As(err, &damaged) {
			return r, err
		}
		if r, err = do(r); err == nil || errors.Is(err, errNothing) {
			s.known(r)
			return r, nil
		}
		if !errors.Is(err, fleet.ErrChanged) || try == changeTries {
			return r, err
		}
	}
}

// changeTries is how often a change is tried that others prevent.
const changeTries = 5

// errNothing says that there is nothing to change.
var errNothing = errors.New("there is nothing to change")

// setServing notes the version that a certificate is at.
func (s *Share) setServing(name, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving[name] = version
}
