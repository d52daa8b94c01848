package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"dvagent/agent/config"
	"dvagent/internal/hint"
)

// settled is how long the directories must be quiet before their files are
// read: editors write, rename and chmod in quick succession.
const settled = 300 * time.Millisecond

// WatchConfig calls changed when the files of the configuration at path, whose
// digest is known at first, have changed, once their directories are quiet;
// and at each value from asked (a signal). While changed fails it is called
// again at each event and each minute: what it lacks may be elsewhere.
//
// It watches the directories because editors rename and Kubernetes swaps
// symlinks. It returns when ctx is done.
func WatchConfig(ctx context.Context, path, known string, asked <-chan struct{}, changed func() error) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	look := func(anyway bool) (again <-chan time.Time) {
		_ = watcher.Add(config.MoreDir(path)) // it may be new, or another one under the old name
		digest := config.Digest(path)
		if digest == known && !anyway {
			return nil
		}
		known = digest
		if changed() == nil {
			return nil
		}
		known = "" // whatever is there next is worth a try
		return time.After(time.Minute)
	}
	debounce := time.NewTimer(0) // what changed before it was watched
	again := (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
			debounce.Reset(settled)
		case err := <-watcher.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch the configuration: %w", err)
			}
			debounce.Reset(settled)
		case <-debounce.C:
			again = look(false)
		case <-again:
			again = look(false)
		case <-asked:
			again = look(true)
		}
	}
}

// ServiceStatus is how a service stands, apart from its certificates.
type ServiceStatus struct {
	PID         int          `json:"pid"`
	Since       time.Time    `json:"since"`
	Config      string       `json:"config"`    // path
	ConfigAt    time.Time    `json:"config_at"` // when it was taken into use
	ConfigError *ConfigError `json:"config_error,omitempty"`
	PassError   *PassError   `json:"pass_error,omitempty"`
}

// ConfigError is why the configuration as it is now is not in use.
type ConfigError struct {
	Since time.Time `json:"since"`
	File  string    `json:"file,omitempty"`
	Line  int       `json:"line,omitempty"`
	Key   string    `json:"key,omitempty"`
	Error string    `json:"error"` // file, line and key included
	Hint  string    `json:"hint,omitempty"`
}

// State is how the service itself stands.
func (s *Service) State() ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Refuse notes that a changed configuration cannot be used. It answers false
// when that is known already.
func (s *Service) Refuse(err error) (news bool) {
	wrong := &ConfigError{Since: wallClock(), Error: err.Error(), Hint: hint.Of(err)}
	var located *config.Error
	if errors.As(err, &located) {
		wrong.File, wrong.Line, wrong.Key = located.File, located.Line, located.Key
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.state.ConfigError; old != nil && old.Error == wrong.Error {
		return false
	}
	s.state.ConfigError = wrong
	return true
}

// take puts the agent of a changed configuration to work.
func (s *Service) take(a *Agent) {
	told := a.moved
	a.moved = func() {
		s.moves.note()
		told()
	}
	s.agent, s.due, s.open = a, map[string]time.Time{}, map[string]bool{}
	s.shown.Store(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Config, s.state.ConfigAt, s.state.ConfigError = a.config.Path, wallClock(), nil
}
