package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/agent/config"
)

// watched counts what a configWatch notices of a directory that holds agent.toml.
type watched struct {
	*testing.T
	dir    string
	looks  atomic.Int32
	broken atomic.Bool
}

func watch(t *testing.T, lay func(dir string) error) *watched {
	t.Helper()
	w := &watched{T: t, dir: t.TempDir()}
	if err := lay(w.dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, "agent.toml")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	known := config.Digest(path)
	go func() {
		defer close(ended)
		watch := &configWatch{path: path, known: known, warn: func(err error) { t.Error(err) }, changed: func() error {
			w.looks.Add(1)
			if w.broken.Load() {
				return errors.New("broken")
			}
			return nil
		}}
		watch.run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	// That the watch has begun shows in its noticing a change.
	w.changes("the watch begins", func() error { return os.WriteFile(path+".conf", nil, 0o600) }, 0)
	return w
}

// changes makes a change, after which the configuration is looked at n times.
func (w *watched) changes(name string, change func() error, n int32) {
	w.Helper()
	before := w.looks.Load()
	if err := change(); err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	for end := time.Now().Add(10 * time.Second); n > 0 && w.looks.Load() < before+n && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n == 0 {
		time.Sleep(settled + 100*time.Millisecond) // nothing comes: that has to be waited for
	}
	if got := w.looks.Load() - before; got != n {
		w.Errorf("%s: looked at it %d times, not %d", name, got, n)
	}
}

func write(path, text string) func() error {
	return func() error {
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
	}
}

func TestAChangedConfigurationIsNoticedHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	w := watch(t, func(dir string) error { return write(filepath.Join(dir, "agent.toml"), "a")() })
	file, more := filepath.Join(w.dir, "agent.toml"), filepath.Join(w.dir, "conf.d")
	w.changes("written in place", write(file, "b"), 1)
	w.changes("renamed into place, as editors do", func() error {
		return errors.Join(os.Rename(file, file+"~"), write(file+".new", "c")(), os.Rename(file+".new", file))
	}, 1)
	w.changes("written with the same content", write(file, "c"), 0)
	w.changes("removed", func() error { return os.Remove(file) }, 1)
	w.changes("there again", write(file, "d"), 1)
	w.changes("its mode", func() error { return os.Chmod(file, 0o640) }, 1)
	w.changes("conf.d comes with a file", write(filepath.Join(more, "a.toml"), "a"), 1)
	w.changes("a file of conf.d is changed", write(filepath.Join(more, "a.toml"), "b"), 1)
	w.changes("conf.d is another one", func() error {
		return errors.Join(os.Rename(more, more+".old"), write(filepath.Join(more, "b.toml"), "a")())
	}, 1)
	w.changes("a file of that one is changed", write(filepath.Join(more, "b.toml"), "b"), 1)
	w.changes("conf.d leads elsewhere", func() error {
		return errors.Join(os.RemoveAll(more), write(filepath.Join(w.dir, "x", "a.toml"), "a")(), os.Symlink("x", more))
	}, 1)
	w.changes("and then to yet another place", func() error {
		return errors.Join(write(filepath.Join(w.dir, "y", "a.toml"), "b")(), os.Symlink("y", more+".new"), os.Rename(more+".new", more))
	}, 1)
	w.changes("a file there is changed", write(filepath.Join(w.dir, "y", "a.toml"), "c"), 1)
	w.changes("conf.d goes", func() error { return os.RemoveAll(more) }, 1)
}

func TestASwapOfSymlinksIsNoticed(t *testing.T) {
	t.Parallel()
	// A volume of Kubernetes: the files are symlinks into ..data, which is a
	// symlink to a directory that is replaced as a whole.
	swap := func(dir, version string) error {
		return errors.Join(write(filepath.Join(dir, version, "agent.toml"), version)(),
			os.Symlink(version, filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	w := watch(t, func(dir string) error {
		return errors.Join(swap(dir, "..1"), os.Symlink("..data/agent.toml", filepath.Join(dir, "agent.toml")))
	})
	w.changes("the first swap", func() error { return swap(w.dir, "..2") }, 1)
	w.changes("the second swap", func() error {
		return errors.Join(swap(w.dir, "..3"), os.RemoveAll(filepath.Join(w.dir, "..2")))
	}, 1)
}

// fault 83
func TestABrokenConfigurationIsLookedAtAgainAtEachEvent(t *testing.T) {
	t.Parallel()
	w := watch(t, func(dir string) error { return write(filepath.Join(dir, "agent.toml"), "a")() })
	w.broken.Store(true)
	w.changes("it is broken", write(filepath.Join(w.dir, "agent.toml"), "b"), 1)
	w.changes("a secret beside it", write(filepath.Join(w.dir, "secret"), "x"), 1)
	w.broken.Store(false)
	w.changes("the secret again", write(filepath.Join(w.dir, "secret"), "y"), 1)
	w.changes("and again, when nothing is wrong any more", write(filepath.Join(w.dir, "secret"), "z"), 0)
}
