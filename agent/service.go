package agent

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"dvagent/agent/issue"
	"dvagent/agent/notice"
	"dvagent/agent/state"
	"dvagent/agent/view"
)

// Service is the agent at work for as long as it runs. It is the agenda of its
// passes.
type Service struct {
	agent    *Agent
	replaced <-chan *Agent
	caller   state.Caller
	times    map[string]time.Time // when each certificate is looked at again
	alarmed  map[string]time.Time // when each one is whose files changed
	watch    *targetWatch
	unfollow context.CancelFunc       // ends the watch of the fleet
	beside   sync.WaitGroup           // what runs beside the passes
	limits   map[string]*rate.Limiter // of each certificate's alarms
	open     map[string]bool          // the certificates whose last outcome is not Served

	noticed chan struct{} // holds a value when there may be something to tell
	mu      sync.Mutex
	status  view.ServiceStatus

	glances view.Glances
	shown   atomic.Pointer[Agent] // the agent, for other goroutines
}

// NewService makes a service; nothing happens before Run. An agent that comes
// from replaced takes over between two passes.
func NewService(a *Agent, replaced <-chan *Agent, caller state.Caller) *Service {
	s := &Service{replaced: replaced, caller: caller, noticed: make(chan struct{}, 1), watch: newTargetWatch(a.host.Log, a.host.Dir.LockFile()),
		unfollow: func() {},
		limits:   map[string]*rate.Limiter{}, status: newServiceStatus()}
	s.watch.blind = a.host.Unwatched
	s.replace(a)
	return s
}

// Run renews what is due and converges what has drifted until ctx is done. Its
// first pass fails when another agent holds the lock; later ones wait.
func (s *Service) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	s.beside.Go(func() { s.notify(ctx) })
	defer s.beside.Wait()
	defer stop()
	s.watch.restart(ctx, s.agent.host.Config.Certificates)
	s.followFleet(ctx)
	defer s.watch.close()
	defer func() { s.agent.Close() }()
	for first := true; ; first = false {
		err := s.pass(ctx)
		var held *state.HeldError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, state.ErrLost):
			s.agent.host.Log.Warn("the pass was broken off, and all is looked at anew", "error", err)
			s.forget()
		case err != nil && first:
			return err
		case errors.As(err, &held):
			s.agent.host.Log.Info("waiting for the lock", "holder", held.Holder)
		case err != nil:
			s.agent.host.Log.Error("the pass failed", "error", err)
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

// forget makes all due again, as at the start: the state directory was taken away,
// and with it all that is known.
func (s *Service) forget() {
	s.times = map[string]time.Time{}
	s.agent.memory = issue.NewMemory()
}

// rest leaves the lock to others for a moment and then waits until something is
// due, and no longer than a nap at a time: a machine that slept has moved the
// wall clock. It answers false when ctx is done.
func (s *Service) rest(ctx context.Context) bool {
	if state.SleepUntil(ctx, state.Now().Add(betweenPasses)) != nil {
		return false
	}
	many := len(s.agent.host.Config.Certificates) > 100
	for looks := 0; ; looks++ {
		now := state.Now()
		next := s.next(now)
		left := next.Sub(now)
		s.agent.host.Alive()
		if left <= 0 || len(s.due(now)) > 0 {
			return ctx.Err() == nil
		}
		if s.agent.host.Dir.Gone() {
			s.forget()
			return ctx.Err() == nil
		}
		if many && left > time.Minute && looks < 2 {
			debug.FreeOSMemory() // a pass needs much, and so does what begins beside it; the next one is far
		}
		s.agent.host.Observe(state.Rest{Until: next, Open: slices.Sorted(maps.Keys(s.open))})
		select {
		case <-ctx.Done():
			return false
		case a := <-s.replaced:
			s.replace(a)
			s.watch.restart(ctx, a.host.Config.Certificates)
			s.followFleet(ctx)
		case names := <-s.watch.changed:
			s.wake(names)
		case <-time.After(min(left, s.agent.host.Nap)):
		}
	}
}

// followFleet has the agent's fleet watched, and no longer that of the agent before.
func (s *Service) followFleet(ctx context.Context) {
	s.unfollow()
	ctx, s.unfollow = context.WithCancel(ctx)
	shared := s.agent.share
	s.beside.Go(func() {
		shared.Watch(ctx, s.watch.changed)
	})
}

// pass works under the lock on what is due by now.
func (s *Service) pass(ctx context.Context) error {
	return s.agent.workOn(ctx, s, s.caller, state.Scope{Unconfigured: true}, func() { s.agent.passed(s.caller.Who) })
}

// An alarm is believed at once, unless alarmsAtOnce of them came within the last
// minute. Then it waits for alarmPause: two programs that fight over a file must
// not reload a server without end.
const (
	alarmsAtOnce = 6
	alarmPause   = 10 * time.Second
)

// alarms is for agenda: the certificates whose files were changed.
func (s *Service) alarms() <-chan map[string]bool { return s.watch.changed }

// wake is for agenda. It makes due each certificate whose files changed, even if
// we changed them: the look that finds nothing to do ends it.
func (s *Service) wake(names map[string]bool) {
	for name := range names {
		if s.limits[name] == nil {
			s.limits[name] = rate.NewLimiter(rate.Every(alarmPause), alarmsAtOnce)
		}
		at := state.Now()
		if !s.limits[name].Allow() {
			at = at.Add(alarmPause)
		}
		s.alarmed[name] = state.Sooner(s.alarmed[name], at)
	}
}

// due is for agenda: the configured certificates whose time has come. One that
// was never looked at is due, and so is one whose time lies further ahead than
// the interval: the clock was wrong.
func (s *Service) due(now time.Time) map[string]bool {
	names := map[string]bool{}
	for _, certificate := range s.agent.host.Config.Certificates {
		if at := s.timeOf(certificate.Name); !now.Before(at) || at.Sub(now) > s.agent.host.Config.Service.Interval {
			names[certificate.Name] = true
		}
	}
	return names
}

// timeOf is when a certificate is looked at again; zero: it never was.
func (s *Service) timeOf(name string) time.Time {
	at, known := s.times[name]
	if alarm := s.alarmed[name]; known && !alarm.IsZero() {
		return state.Sooner(at, alarm)
	}
	return at
}

// begin is for agenda: what changes from now on is seen by the watch, what
// changed before by the look that begins, which looks at all that is in place.
func (s *Service) begin(names map[string]bool) {
	for name := range names {
		if !s.alarmed[name].IsZero() {
			delete(s.agent.inPlace, name)
		}
		s.times[name] = state.Now().Add(s.agent.host.Config.Service.Interval)
		delete(s.alarmed, name)
	}
	s.watch.follow(names)
}

// handBack is for agenda.
func (s *Service) handBack(names map[string]bool) {
	for name := range names {
		s.times[name] = state.Now().Add(betweenPasses)
	}
}

// forced is for agenda: nobody forces a service.
func (s *Service) forced(string) bool { return false }

// take is for agenda.
func (s *Service) take(outcome state.Outcome) {
	name := outcome.Certificate
	s.times[name] = s.following(outcome)
	delete(s.open, name)
	if outcome.Class != state.Served {
		s.open[name] = true
	}
}

// noted is for agenda. It wakes notify.
func (s *Service) noted() {
	select {
	case s.noticed <- struct{}{}:
	default:
	}
}

// following is when a certificate is looked at again: when its outcome says,
// and after the interval at the latest.
func (s *Service) following(outcome state.Outcome) time.Time {
	latest := state.Now().Add(s.agent.host.Config.Service.Interval)
	next := state.Sooner(outcome.Next, latest)
	if outcome.Class == state.Served || outcome.Next.IsZero() {
		return next
	}
	return state.Sooner(next, s.times[outcome.Certificate])
}

// next is for agenda: when the next certificate is looked at; the past means now.
func (s *Service) next(now time.Time) time.Time {
	next := now.Add(s.agent.host.Config.Service.Interval)
	for _, certificate := range s.agent.host.Config.Certificates {
		if at := s.timeOf(certificate.Name); at.Before(next) {
			next = at
		}
	}
	return next
}

// postpone lets nothing happen for a while after a pass that failed as a whole.
func (s *Service) postpone(delay time.Duration) {
	later := state.Now().Add(delay)
	for _, certificate := range s.agent.host.Config.Certificates {
		if s.timeOf(certificate.Name).Before(later) {
			s.times[certificate.Name] = later
			delete(s.alarmed, certificate.Name)
		}
	}
}

// notify tells people what the passes note, beside them, until ctx is done.
func (s *Service) notify(ctx context.Context) {
	for {
		var retry <-chan time.Time
		if next := notice.Notify(ctx, s.shown.Load().host); !next.IsZero() {
			retry = time.After(min(max(next.Sub(state.Now()), time.Second), time.Minute))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.noticed:
		case <-retry:
		}
	}
}
