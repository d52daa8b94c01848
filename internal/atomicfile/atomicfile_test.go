package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"dvagent/internal/atomicfile"
	"dvagent/internal/openat"
)

func file(path, data string) atomicfile.File {
	return atomicfile.File{Path: path, Data: []byte(data), Mode: 0o640, UID: atomicfile.Keep, GID: atomicfile.Keep}
}

// open opens the directory of path.
func open(t *testing.T, path string) *openat.Dir {
	t.Helper()
	dir, err := openat.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dir.Close)
	return dir
}

func TestWrite(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string) error
	}{
		{"a new file is made", func(*testing.T, string) error { return nil }},
		{"an old file is replaced", func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("a longer content"), 0o666) }},
		{"a dangling link is replaced", func(_ *testing.T, path string) error { return os.Symlink("nowhere", path) }},
		{"what a killed process left is replaced", func(t *testing.T, path string) error { // fault 59
			_, err := atomicfile.Stage(open(t, path), file(path, "half"))
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := test.prepare(t, path); err != nil {
				t.Fatal(err)
			}
			if err := atomicfile.Write(file(path, "content")); err != nil {
				t.Fatal(err)
			}
			wantAlone(t, path, "content")
			if info, err := os.Lstat(path); err != nil || info.Mode() != 0o640 {
				t.Errorf("mode %v, error %v", info.Mode(), err)
			}
		})
	}
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(file(path, "content")); err == nil {
		t.Error("a directory was replaced")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || err != nil {
		t.Errorf("the directory holds %v, error %v", entries, err)
	}
}

func TestDiscardForgetsWhatWasStaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := atomicfile.Write(file(path, "old")); err != nil {
		t.Fatal(err)
	}
	dir := open(t, path)
	if _, err := atomicfile.Stage(dir, file(path, "new")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := atomicfile.Discard(dir, filepath.Base(path)); err != nil {
			t.Fatal(err)
		}
	}
	wantAlone(t, path, "old")
}

func wantAlone(t *testing.T, path, content string) {
	t.Helper()
	if data, err := os.ReadFile(path); string(data) != content || err != nil {
		t.Errorf("the file holds %q, error %v", data, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || err != nil {
		t.Errorf("the directory holds %v, error %v", entries, err)
	}
}
