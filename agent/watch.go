package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"dvagent/agent/config"
)

// targetWatch notices that someone changed a file of a target, so that it heals
// at once and not at the next look. It is a convenience: where it cannot watch,
// the pass still finds the drift.
type targetWatch struct {
	log     *slog.Logger
	blind   bool                 // it watches nothing
	changed chan map[string]bool // names of certificates

	watcher *fsnotify.Watcher // nil where there can be none
	lock    string            // of the state directory: when it is gone, so is all
	owners  map[string]string // certificate by the path of a file
	stop    context.CancelFunc
	said    bool // that something cannot be watched
}

const (
	// settled is how long the files must be quiet: editors write, rename and chmod
	// in quick succession.
	settled = 300 * time.Millisecond
	// latestNews bounds how long a directory that never is quiet puts off the word.
	latestNews = time.Second
)

func newTargetWatch(log *slog.Logger, lock string) *targetWatch {
	return &targetWatch{log: log, lock: lock, changed: make(chan map[string]bool), stop: func() {}}
}

// restart forgets the directories of a former configuration. Those of the new
// one are watched from the next follow on.
func (w *targetWatch) restart(ctx context.Context, certificates []config.Certificate) {
	w.close()
	w.owners, w.said = map[string]string{}, false
	for _, certificate := range certificates {
		for _, target := range certificate.Deploy {
			for _, path := range target.Paths() {
				w.owners[filepath.Clean(path)] = certificate.Name
			}
		}
	}
	if len(w.owners) == 0 || w.blind {
		return
	}
	var err error
	if w.watcher, err = fsnotify.NewWatcher(); err != nil {
		w.unable(fmt.Errorf("watch the targets: %w", err))
		return
	}
	ctx, w.stop = context.WithCancel(ctx)
	go gather(ctx, w.watcher, touching(w.owners, w.lock), w.changed)
}

func (w *targetWatch) close() {
	w.stop()
	if w.watcher != nil {
		_ = w.watcher.Close() // it was only read from
	}
	w.watcher = nil
}

// follow watches the directories of the named certificates' targets. It is
// called right before a pass looks at them: what changed earlier is seen by the
// pass, what changes later by the watch. A directory that is new, or took the
// place of another, is watched from then on.
func (w *targetWatch) follow(names map[string]bool) {
	if w.watcher == nil {
		return
	}
	done := map[string]bool{}
	w.add(filepath.Dir(w.lock))
	for path, owner := range w.owners {
		dir := filepath.Dir(path)
		if !names[owner] || done[dir] {
			continue
		}
		done[dir] = true
		w.add(dir)
	}
}

func (w *targetWatch) add(dir string) {
	if err := w.watcher.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.unable(fmt.Errorf("watch %s: %w", dir, err))
	}
}

// touching says which certificates an event is about: that of the file, and all
// when the lock was taken away.
func touching(owners map[string]string, lock string) func(fsnotify.Event) []string {
	var all []string
	for _, owner := range owners {
		all = append(all, owner)
	}
	return func(event fsnotify.Event) []string {
		owner, ours := owners[event.Name]
		switch {
		case ours:
			return []string{owner}
		case event.Name == lock && event.Op&(fsnotify.Remove|fsnotify.Rename) != 0:
			return all
		}
		return nil
	}
}

// unable says once why changes are not noticed at once.
func (w *targetWatch) unable(err error) {
	if !w.said {
		w.log.Warn("changed files heal at the next look and not at once", "error", err)
	}
	w.said = true
}

// gather collects the certificates whose files are touched, and hands them over
// once it is quiet. It ends with ctx.
func gather(ctx context.Context, watcher *fsnotify.Watcher, about func(fsnotify.Event) []string, changed chan<- map[string]bool) {
	touched := map[string]bool{}
	var first time.Time
	var quiet <-chan time.Time
	var out chan<- map[string]bool // nil until it is quiet
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-watcher.Events:
			names := about(event)
			if len(names) == 0 {
				continue
			}
			if len(touched) == 0 {
				first = time.Now()
			}
			for _, name := range names {
				touched[name] = true
			}
			quiet, out = time.After(min(settled, latestNews-time.Since(first))), nil
		case <-watcher.Errors: // what an overflow lost is found by the pass
		case <-quiet:
			quiet, out = nil, changed
		case out <- touched:
			touched, out = map[string]bool{}, nil
		}
	}
}
