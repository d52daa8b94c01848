package untouched

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dvagent/internal/openat"
)

func TestAFileIsReadAgainOnceSomebodyHasTouchedIt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		touch func(path string) error
		again bool
	}{
		{"nobody has", func(string) error { return nil }, false},
		{"it was written to, and is as long as before", func(path string) error { return os.WriteFile(path, []byte("two"), 0o600) }, true},
		{"it was replaced", func(path string) error {
			if err := os.WriteFile(path+".new", []byte("two"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, true},
		{"it was changed, and its time put back", func(path string) error {
			info, err := os.Stat(path)
			if err == nil {
				err = os.WriteFile(path, []byte("two"), 0o600)
			}
			if err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime())
		}, true},
		{"its mode was changed", func(path string) error { return os.Chmod(path, 0o640) }, true},
		{"it is a link now", func(path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			return os.Symlink(path+".old", path)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, reads, path := Files[string]{}, 0, filepath.Join(t.TempDir(), "file")
			of := func() string {
				text, err := files.Of(path, func() (string, error) {
					reads++
					text, err := os.ReadFile(path)
					return string(text), err
				})
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
				t.Fatal(err)
			}
			remembered := func() bool { before := reads; return of() == "one" && reads == before }
			for range 1000 { // it is remembered once its stat tells of the next change
				if remembered() {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if !remembered() {
				t.Fatal("it is read at every look")
			}
			if err := tt.touch(path); err != nil {
				t.Fatal(err)
			}
			before := reads
			if of(); (reads > before) != tt.again {
				t.Errorf("read %d times", reads-before)
			}
		})
	}
}

func TestAFileThatWasTouchedJustNowIsReadAgain(t *testing.T) {
	files, reads, path := Files[int]{}, 0, filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, ahead, ahead); err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 3; want++ {
		if got, err := files.Of(path, func() (int, error) { reads++; return reads, nil }); got != want || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	}
}

func TestTooManyFilesAreNotRemembered(t *testing.T) {
	files, dir := Files[int]{}, t.TempDir()
	for n := range 3 * most {
		files.Put(filepath.Join(dir, fmt.Sprint(n)), openat.Stat{}, n)
	}
	if len(files.known) > most {
		t.Error(len(files.known))
	}
}

func TestOfMoreFilesThanAreRememberedSomeAreFound(t *testing.T) {
	files, dir, n, found := Files[int]{}, t.TempDir(), most*5/4, 0
	stats := make([]openat.Stat, n)
	for round := range 3 {
		for i := range n {
			path := filepath.Join(dir, fmt.Sprint(i))
			if _, known := files.As(path, stats[i]); known {
				found++
				continue
			}
			files.Put(path, stats[i], round)
		}
	}
	if found < most/4 || len(files.known) > most {
		t.Errorf("of %d files read three times, %d were found, and %d are remembered", n, found, len(files.known))
	}
}
