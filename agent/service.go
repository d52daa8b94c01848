package agent

import (
	"context"
	"errors"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"dvagent/agent/order"
	"dvagent/internal/command"
)

// Service is the agent at work for as long as it runs.
type Service struct {
	agent    *Agent
	replaced <-chan *Agent
	lockWait time.Duration
	who      string
	due      map[string]time.Time // when each certificate is looked at again
	watch    *targetWatch
	alarms   map[string]*rate.Limiter // of each certificate's changed files
	open     map[string]bool          // the certificates whose last outcome is not Served

	noticed chan struct{} // holds a value when there may be something to tell
	mu      sync.Mutex
	state   ServiceStatus

	glances glances
	shown   atomic.Pointer[Agent] // the agent, for other goroutines
	moves   movement
}

// NewService makes a service; nothing happens before Run. An agent that comes
// from replaced takes over between two passes.
func NewService(a *Agent, replaced <-chan *Agent, lockWait time.Duration, who string) *Service {
	s := &Service{replaced: replaced, lockWait: lockWait, who: who, noticed: make(chan struct{}, 1),
		watch: newTargetWatch(a.log), alarms: map[string]*rate.Limiter{}, moves: movement{begun: time.Now()}}
	s.state = ServiceStatus{PID: os.Getpid(), Since: wallClock()}
	s.take(a)
	return s
}

// Status is how everything stands under the present configuration.
// With names, only those certificates are looked at.
func (s *Service) Status(ctx context.Context, names ...string) (Status, error) {
	status, err := s.shown.Load().Status(ctx, wallClock(), names...)
	state := s.State()
	status.Service = &state
	return status, err
}

// Run renews what is due and converges what has drifted until ctx is done. Its
// first pass fails when another agent holds the lock; later ones wait.
func (s *Service) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() { s.tell(ctx) })
	defer telling.Wait()
	defer stop()
	s.watch.restart(ctx, s.agent.config.Certificates)
	defer s.watch.close()
	for first := true; ; first = false {
		err := s.pass(ctx)
		s.notice()
		var held *order.HeldError
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return err
		case errors.As(err, &held):
			s.agent.log.Info("waiting for the lock", "holder", held.Holder)
		case err != nil:
			s.agent.log.Error("the pass failed", "error", err)
			s.passed(err)
		default:
			s.passed(nil)
		}
		if err != nil {
			s.postpone(10 * time.Second)
		}
		if !s.rest(ctx) {
			return nil
		}
	}
}

// rest waits until something is due, and no longer than a minute at a time: a
// machine that slept has moved the wall clock. It answers false when ctx is
// done.
func (s *Service) rest(ctx context.Context) bool {
	if time.Until(s.nextDue(wallClock())) > time.Minute {
		debug.FreeOSMemory() // a pass over everything needs much, and the next one is far
	}
	for {
		now := wallClock()
		next := s.nextDue(now)
		left := next.Sub(now)
		s.agent.moved()
		if left <= 0 || len(s.dueNames(now)) > 0 {
			return ctx.Err() == nil
		}
		s.agent.resting(Rest{Until: next, Open: slices.Sorted(maps.Keys(s.open))})
		select {
		case <-ctx.Done():
			return false
		case a := <-s.replaced:
			s.take(a)
			s.watch.restart(ctx, a.config.Certificates)
		case names := <-s.watch.changed:
			s.wake(names)
		case <-time.After(min(left, time.Minute)):
		}
	}
}

// An alarm is believed at once, unless alarmsAtOnce of them came within the last
// minute. Then it waits for alarmPause: two programs that fight over a file must
// not reload a server without end.
const (
	alarmsAtOnce = 6
	alarmPause   = 10 * time.Second
)

// wake makes certificates due whose files were changed, be it by ourselves: the
// pass that finds nothing to do ends it.
func (s *Service) wake(names map[string]bool) {
	for name := range names {
		if s.alarms[name] == nil {
			s.alarms[name] = rate.NewLimiter(rate.Every(alarmPause), alarmsAtOnce)
		}
		at := wallClock()
		if !s.alarms[name].Allow() {
			at = at.Add(alarmPause)
		}
		s.due[name] = sooner(s.due[name], at)
	}
}

// pass works under the lock on what is due by now.
func (s *Service) pass(ctx context.Context) error {
	ctx = command.WithAlive(ctx, s.agent.moved)
	names := s.dueNames(wallClock())
	s.watch.follow(names)
	return s.agent.underLock(ctx, s.lockWait, s.who, scope{names: names, unconfigured: true}, func(p *pass) error {
		for name := range names {
			s.due[name] = wallClock().Add(s.agent.config.Service.Interval)
		}
		for _, outcome := range p.run(ctx) {
			s.due[outcome.Certificate] = s.following(outcome)
			delete(s.open, outcome.Certificate)
			if outcome.Class != Served {
				s.open[outcome.Certificate] = true
			}
		}
		return nil
	})
}

// following is when a certificate is looked at again: when its outcome says,
// and after the interval at the latest.
func (s *Service) following(outcome Outcome) time.Time {
	latest := wallClock().Add(s.agent.config.Service.Interval)
	next := sooner(outcome.Next, latest)
	if outcome.Class == Served || outcome.Next.IsZero() {
		return next
	}
	return sooner(next, s.due[outcome.Certificate])
}

// dueNames are the configured certificates whose time has come. One that was
// never looked at is due, and so is one whose time lies further ahead than the
// interval: the clock was wrong.
func (s *Service) dueNames(now time.Time) map[string]bool {
	names := map[string]bool{}
	for _, certificate := range s.agent.config.Certificates {
		if at := s.due[certificate.Name]; !now.Before(at) || at.Sub(now) > s.agent.config.Service.Interval {
			names[certificate.Name] = true
		}
	}
	return names
}

// nextDue is when the next certificate is looked at; the past means now.
func (s *Service) nextDue(now time.Time) time.Time {
	next := now.Add(s.agent.config.Service.Interval)
	for _, certificate := range s.agent.config.Certificates {
		if at := s.due[certificate.Name]; at.Before(next) {
			next = at
		}
	}
	return next
}

// postpone lets nothing happen for a while after a pass that failed as a whole.
func (s *Service) postpone(delay time.Duration) {
	later := wallClock().Add(delay)
	for _, certificate := range s.agent.config.Certificates {
		if s.due[certificate.Name].Before(later) {
			s.due[certificate.Name] = later
		}
	}
}

// notice wakes tell.
func (s *Service) notice() {
	select {
	case s.noticed <- struct{}{}:
	default:
	}
}

// tell tells people what the passes notice, beside them, until ctx is done.
func (s *Service) tell(ctx context.Context) {
	for {
		var retry <-chan time.Time
		if next := s.shown.Load().tellPeople(ctx); !next.IsZero() {
			retry = time.After(min(max(next.Sub(wallClock()), time.Second), time.Minute))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.noticed:
		case <-retry:
		}
	}
}
