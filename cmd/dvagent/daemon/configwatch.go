package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"dvagent/agent/config"
)

const (
	// settled is how long the directories must be quiet before their files are
	// read: editors write, rename and chmod in quick succession.
	settled = 300 * time.Millisecond
	// latestNews bounds how long a directory that never is quiet puts that off.
	latestNews = time.Second
	// readAgain is how long a change may go unnoticed where no watch tells of it.
	readAgain = time.Minute
)

// configWatch calls changed when the files of the configuration have changed,
// once their directories are quiet; and at each value from asked (a signal).
// While changed fails it is called again at each event and each minute: what it
// lacks may be elsewhere.
type configWatch struct {
	path    string
	known   string // the digest of the files that are in use
	stamp   string // by which it is told that they are the same; "" where it is not
	asked   <-chan struct{}
	warn    func(error) // told when there can be no watch
	changed func() error
}

// run watches until ctx is done. It watches the directories because editors
// rename and Kubernetes swaps symlinks. What no watch tells of, it sees within a
// minute.
func (w *configWatch) run(ctx context.Context) {
	dirs := w.watchDirectories()
	defer dirs.close()
	minute := time.NewTicker(readAgain)
	defer minute.Stop()
	debounce := time.NewTimer(0) // what changed before it was watched
	var first time.Time          // of the events since the files were last read
	for {
		select {
		case <-ctx.Done():
			return
		case <-dirs.watcher.Events:
			if first.IsZero() {
				first = time.Now()
			}
			debounce.Reset(min(settled, latestNews-time.Since(first)))
		case err := <-dirs.watcher.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.warn(fmt.Errorf("watch the configuration: %w", err))
			}
			debounce.Reset(settled)
		case <-debounce.C:
			first = time.Time{}
			w.read(dirs, false)
		case <-minute.C:
			w.read(dirs, false)
		case <-w.asked:
			w.read(dirs, true)
		}
	}
}

// read compares the files with those in use.
func (w *configWatch) read(dirs directories, anyway bool) {
	dirs.renew()
	stamp := config.Stamp(w.path, time.Now())
	if stamp != "" && stamp == w.stamp && w.known != "" && !anyway {
		return
	}
	w.stamp = stamp // of before the files are read
	digest := config.Digest(w.path)
	if digest == w.known && !anyway {
		return
	}
	w.known = digest
	if w.changed() != nil {
		w.known = "" // whatever is there next is worth a try
	}
}

// directories is a watch of those that a configuration lies in. It hears nothing
// where the system has no watch left.
type directories struct {
	watcher *fsnotify.Watcher
	path    string // of the configuration; empty without a watch
}

func (w *configWatch) watchDirectories() directories {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(filepath.Dir(w.path))
	}
	if err != nil {
		w.warn(fmt.Errorf("watch the configuration: %w; it is read each minute", err))
	}
	if watcher == nil {
		return directories{&fsnotify.Watcher{}, ""}
	}
	return directories{watcher, w.path}
}

// renew watches what may be new, or another directory under the old name.
func (d directories) renew() {
	if d.path == "" {
		return
	}
	dirs := []string{filepath.Dir(d.path), config.MoreDir(d.path)}
	if file, err := filepath.EvalSymlinks(d.path); err == nil {
		dirs = append(dirs, filepath.Dir(file))
	}
	for _, dir := range dirs {
		_ = d.watcher.Add(dir) // the minute sees what cannot be watched
	}
}

func (d directories) close() {
	if d.path != "" {
		d.watcher.Close()
	}
}
