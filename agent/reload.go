package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settled is how long a directory must be quiet before its files are read:
// editors write, rename and chmod in quick succession.
const settled = 300 * time.Millisecond

// WatchConfig calls changed when the content of the configuration file has
// changed, once its directory is quiet, and at each value from asked (a
// signal). It watches the directory because editors rename and Kubernetes
// swaps symlinks. It returns when ctx is done.
func WatchConfig(ctx context.Context, path string, asked <-chan struct{}, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	debounce := time.NewTimer(settled)
	debounce.Stop()
	known, _ := os.ReadFile(path) // unreadable is a content, too
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
			text, _ := os.ReadFile(path)
			if !bytes.Equal(text, known) {
				known = text
				changed()
			}
		case <-asked:
			changed()
		}
	}
}
