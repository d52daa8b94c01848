package agent

import (
	"context"
	"errors"
	"maps"
	"time"

	"dvagent/agent/order"
)

// Service is the agent at work for as long as it runs.
type Service struct {
	agent    *Agent
	lockWait time.Duration
	who      string
	due      map[string]time.Time // when each certificate is looked at again
}

// NewService makes a service; nothing happens before Run.
func NewService(a *Agent, lockWait time.Duration, who string) *Service {
	return &Service{agent: a, lockWait: lockWait, who: who, due: map[string]time.Time{}}
}

// Run renews what is due and converges what has drifted until ctx is done. Its
// first pass fails when another agent holds the lock; later ones wait.
func (s *Service) Run(ctx context.Context) error {
	for first := true; ; first = false {
		err := s.pass(ctx)
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
		}
		if err != nil {
			s.postpone(10 * time.Second)
		}
		if sleepUntil(ctx, s.nextDue()) != nil {
			return nil
		}
	}
}

// pass works under the lock on what is due by now.
func (s *Service) pass(ctx context.Context) error {
	names := s.dueNames(time.Now())
	if len(names) == 0 {
		return nil
	}
	return s.agent.underLock(ctx, s.lockWait, s.who, scope{names: names}, func(p *pass) error {
		for name := range names {
			s.due[name] = time.Now().Add(s.agent.config.Service.Interval)
		}
		for _, outcome := range p.run(ctx) {
			s.due[outcome.Certificate] = s.following(outcome)
		}
		return nil
	})
}

// following is when a certificate is looked at again: when its outcome says,
// and after the interval at the latest.
func (s *Service) following(outcome Outcome) time.Time {
	latest := time.Now().Add(s.agent.config.Service.Interval)
	next := sooner(outcome.Next, latest)
	if outcome.Class == Served || outcome.Next.IsZero() {
		return next
	}
	return sooner(next, s.due[outcome.Certificate])
}

// dueNames are the certificates whose time has come. One that was never looked
// at is due; so are those that are known from owed records alone.
func (s *Service) dueNames(now time.Time) map[string]bool {
	names := map[string]bool{}
	for _, certificate := range s.agent.config.Certificates {
		if !now.Before(s.due[certificate.Name]) {
			names[certificate.Name] = true
		}
	}
	for name, at := range s.due {
		if !now.Before(at) {
			names[name] = true
		}
	}
	return names
}

func (s *Service) nextDue() time.Time {
	next := time.Now().Add(s.agent.config.Service.Interval)
	for at := range maps.Values(s.due) {
		next = sooner(next, at)
	}
	return next
}

func (s *Service) postpone(delay time.Duration) {
	for name, at := range s.due {
		if later := time.Now().Add(delay); at.Before(later) {
			s.due[name] = later
		}
	}
}
