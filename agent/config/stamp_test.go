package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAStampTellsThatTheConfigurationIsTheSame(t *testing.T) {
	dir := t.TempDir()
	path, more := filepath.Join(dir, "agent.toml"), filepath.Join(dir, "conf.d")
	write := func(name, text string) func() error {
		return func() error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	if err := errors.Join(os.Mkdir(more, 0o700), write("agent.toml", "a")(), write("conf.d/a.toml", "a")()); err != nil {
		t.Fatal(err)
	}
	if Stamp(path, time.Now()) != "" {
		t.Error("files that were written a moment ago are believed by their stats")
	}
	later := func() string { return Stamp(path, time.Now().Add(time.Hour)) }
	for _, tt := range []struct {
		name   string
		change func() error
		same   bool
	}{
		{"nothing", func() error { return nil }, true},
		{"a file that is not read", write("conf.d/notes", "x"), true},
		{"written with the same size", write("agent.toml", "b"), false},
		{"a file of conf.d with the same size, its time set back", func() error {
			was, err := os.Stat(more + "/a.toml")
			return errors.Join(err, write("conf.d/a.toml", "b")(), os.Chtimes(more+"/a.toml", was.ModTime(), was.ModTime()))
		}, false},
		{"its mode", func() error { return os.Chmod(path, 0o640) }, false},
		{"a further file", write("conf.d/b.toml", "b"), false},
		{"one less", func() error { return os.Remove(more + "/b.toml") }, false},
		{"others may write the directory", func() error { return os.Chmod(more, 0o777) }, false},
	} {
		before := later()
		time.Sleep(20 * time.Millisecond) // the clock of the file system moves on
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		if after := later(); before == "" || (after == before) != tt.same {
			t.Errorf("%s: before %q, after %q", tt.name, before, after)
		}
	}
	if err := errors.Join(os.Rename(path, path+".moved"), os.Symlink("agent.toml.moved", path)); err != nil {
		t.Fatal(err)
	}
	if later() != "" {
		t.Error("a symlink is believed by its stats")
	}
}
