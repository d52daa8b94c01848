package agent

import (
	"context"
	"errors"
	"os"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/hint"
)

func newServiceStatus() view.ServiceStatus {
	return view.ServiceStatus{PID: os.Getpid(), Since: state.Now()}
}

// Status is how everything stands under the present configuration. With names,
// only those certificates are read.
func (s *Service) Status(ctx context.Context, names ...string) (view.Status, error) {
	status, err := view.ReadStatus(ctx, s.shown.Load().host, state.Now(), names...)
	own := s.State()
	status.Service = &own
	return status, err
}

// State is how the service itself stands.
func (s *Service) State() view.ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Glance is how everything was last seen, without a look at targets or probes.
func (s *Service) Glance() *view.Glance {
	host := s.shown.Load().host
	return s.glances.Read(host, func(g *view.Glance) {
		g.PassError = s.State().PassError
		g.Alive = g.At.Add(-host.Idle())
	})
}

// Detail is how a certificate was last seen, with its versions and the history
// of its orders. An unknown one is a *state.UnknownError.
func (s *Service) Detail(name string) (*view.Seen, error) {
	return s.Glance().Detail(s.shown.Load().host, name)
}

// Refuse notes that a changed configuration cannot be used. It answers false
// when that is known already.
func (s *Service) Refuse(err error) (news bool) {
	wrong := &view.ConfigError{Since: state.Now(), Error: err.Error(), Hint: hint.Of(err)}
	var located *config.Error
	if errors.As(err, &located) {
		wrong.File, wrong.Line, wrong.Key = located.File, located.Line, located.Key
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.status.ConfigError; old != nil && old.Error == wrong.Error {
		return false
	}
	s.status.ConfigError = wrong
	return true
}

// replace puts the agent of a changed configuration to work.
func (s *Service) replace(a *Agent) {
	if s.agent != nil {
		s.agent.Close()
	}
	s.agent, s.times, s.alarmed, s.open = a, map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	s.shown.Store(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Config, s.status.ConfigAt, s.status.ConfigError = a.host.Config.Path, state.Now(), nil
}

// passed notes how a pass ended.
func (s *Service) passed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.status.PassError = nil
		return
	}
	since := state.Now()
	if old := s.status.PassError; old != nil {
		since = old.Since
	}
	s.status.PassError = &view.PassError{Since: since, Error: err.Error(), Hint: hint.Of(err)}
}
