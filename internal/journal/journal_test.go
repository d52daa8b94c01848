package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type fact struct {
	Kind string `json:"fact"`
	N    int    `json:"n"`
}

func open(t *testing.T, path string) (log *Log[fact], numbers []int) {
	t.Helper()
	log, facts, err := Open[fact](path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		numbers = append(numbers, f.N)
	}
	return log, numbers
}

func add(t *testing.T, path string, numbers ...int) {
	t.Helper()
	log, _ := open(t, path)
	for _, n := range numbers {
		if err := log.Append(fact{"counted", n}); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "order.journal")
	for i := range n {
		add(t, path, i)
	}
	return path
}

// holds says that the file holds these facts, and how much of it is damaged.
func holds(t *testing.T, path string, damaged int, want ...int) {
	t.Helper()
	log, got := open(t, path)
	if !slices.Equal(got, want) || log.Damage() != (Damage{path, damaged}) || log.Lines() != len(want) {
		t.Errorf("got %v, want %v; %d lines, %+v", got, want, log.Lines(), log.Damage())
	}
}

func TestFactsComeBackInTheOrderTheyWereWritten(t *testing.T) {
	path := write(t, 3)
	holds(t, path, 0, 0, 1, 2)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestAMissingFileHoldsNoFacts(t *testing.T) {
	holds(t, filepath.Join(t.TempDir(), "none"), 0)
}

// fault 55: wherever the file is cut, the whole lines before the cut are read,
// and what is appended afterwards is read too.
func TestACutAtAnyByteLosesOnlyTheLineItCuts(t *testing.T) {
	whole, err := os.ReadFile(write(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		path := filepath.Join(t.TempDir(), "order.journal")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		add(t, path, 9)
		want := bytes.Count(whole[:cut], []byte("\n")) - 1 // the header is no fact
		_, got := open(t, path)
		if len(got) == 0 || got[len(got)-1] != 9 || len(got)-1 < want {
			t.Fatalf("cut at %d: got %v, want %d and 9", cut, got, want)
		}
	}
}

// fault 55
func TestAFlippedBitInvalidatesAtMostTheLinesItTouches(t *testing.T) {
	whole, err := os.ReadFile(write(t, 4))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "order.journal")
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if log, got := open(t, path); len(got) < 2 || len(got) == 4 && log.Damage().Lines == 0 {
			t.Fatalf("byte %d: %v, %+v", i, got, log.Damage())
		}
	}
}

// fault 55
func TestAZeroedFileHoldsNoFactsAndCanBeAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	if err := os.WriteFile(path, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	add(t, path, 1)
	holds(t, path, 1, 1)
}

// fault 55
func TestAFileOfALaterVersionIsNotReadAndCanBeSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	if err := os.WriteFile(path, []byte(header(2)+"\nwhatever\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var later *LaterError
	if _, _, err := Open[fact](path); !errors.As(err, &later) || later.Path != path {
		t.Errorf("got %v", err)
	}
	aside, err := SetAside(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(aside); err != nil || string(kept) != header(2)+"\nwhatever\n" {
		t.Errorf("set aside: %q, %v", kept, err)
	}
	holds(t, path, 0)
}

func TestARewriteLeavesJustTheGivenFacts(t *testing.T) {
	path := write(t, 5)
	log, _ := open(t, path)
	if err := log.Rewrite([]fact{{"counted", 4}}); err != nil || log.Lines() != 1 {
		t.Errorf("%d lines, %v", log.Lines(), err)
	}
	holds(t, path, 0, 4)
}

func TestALogIsLongWhenLittleOfManyLinesIsKept(t *testing.T) {
	for _, tt := range []struct {
		lines, kept int
		long        bool
	}{{60, 1, false}, {61, 1, true}, {61, 15, true}, {64, 16, false}, {500, 124, true}, {500, 125, false}} {
		if log := (&Log[fact]{lines: tt.lines}); log.Long(tt.kept) != tt.long {
			t.Errorf("%d lines of which %d are kept: %v", tt.lines, tt.kept, !tt.long)
		}
	}
}

func TestAnAppendThatCannotBeMadeSaysSo(t *testing.T) {
	log, _ := open(t, filepath.Join(t.TempDir(), "gone", "order.journal"))
	if err := log.Append(fact{}); err == nil || log.Lines() != 0 {
		t.Errorf("%d lines, %v", log.Lines(), err)
	}
}

// fault 50: a full disk takes a part of a line.
func TestAnAppendThatFailsInTheMiddleLeavesNoDamage(t *testing.T) {
	path := write(t, 2)
	size := func() uint64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(info.Size())
	}
	log, _ := open(t, path)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size() + 9, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err := log.Append(fact{"counted", 2})
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Fatal("it was appended")
	}
	holds(t, path, 0, 0, 1)
	add(t, path, 3)
	holds(t, path, 0, 0, 1, 3)
}
