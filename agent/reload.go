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

// lookedAt is how long a change may go unnoticed where no watch tells of it.
const lookedAt = time.Minute

// WatchConfig calls changed when the files of the configuration at path, whose
// digest is known at first, have changed, once their directories are quiet;
// and at each value from asked (a signal). While changed fails it is called
// again at each event and each minute: what it lacks may be elsewhere.
//
// It watches the directories because editors rename and Kubernetes swaps
// symlinks. What no watch tells of, it sees within a minute: warn is told when
// there can be no watch at all. It returns when ctx is done.
func WatchConfig(ctx context.Context, path, known string, asked <-chan struct{}, warn func(error), changed func() error) {
	watch := newConfigWatch(path, warn)
	defer watch.close()
	look := func(anyway bool) {
		watch.renew()
		digest := config.Digest(path)
		if digest == known && !anyway {
			return
		}
		known = digest
		if changed() != nil {
			known = "" // whatever is there next is worth a try
		}
	}
	minute := time.NewTicker(lookedAt)
	defer minute.Stop()
	debounce := time.NewTimer(0) // what changed before it was watched
	var first time.Time          // of the events that are not looked at yet
	for {
		select {
		case <-ctx.Done():
			return
		case <-watch.Events:
			if first.IsZero() {
				first = time.Now()
			}
			debounce.Reset(min(settled, latestNews-time.Since(first)))
		case err := <-watch.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				warn(fmt.Errorf("watch the configuration: %w", err))
			}
			debounce.Reset(settled)
		case <-debounce.C:
			first = time.Time{}
			look(false)
		case <-minute.C:
			look(false)
		case <-asked:
			look(true)
		}
	}
}

// configWatch is a watch of the directories that a configuration lies in. It
// hears nothing where the system has no watch left.
type configWatch struct {
	*fsnotify.Watcher
	path string
}

func newConfigWatch(path string, warn func(error)) configWatch {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(filepath.Dir(path))
	}
	if err != nil {
		warn(fmt.Errorf("watch the configuration: %w; it is looked at each minute", err))
	}
	if watcher == nil {
		return configWatch{&fsnotify.Watcher{}, ""}
	}
	return configWatch{watcher, path}
}

// renew watches what may be new, or another directory under the old name.
func (w configWatch) renew() {
	if w.path == "" {
		return
	}
	dirs := []string{filepath.Dir(w.path), config.MoreDir(w.path)}
	if file, err := filepath.EvalSymlinks(w.path); err == nil {
		dirs = append(dirs, filepath.Dir(file))
	}
	for _, dir := range dirs {
		_ = w.Add(dir) // the minute sees what cannot be watched
	}
}

func (w configWatch) close() {
	if w.path != "" {
		w.Close()
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
