package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

type fact struct {
	Kind string `json:"fact"`
	N    int    `json:"n"`
}

func write(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "order.journal")
	for i := range n {
		if err := Append(path, fact{"counted", i}); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func read(t *testing.T, path string) (numbers []int, damaged int) {
	t.Helper()
	facts, damaged, err := Read[fact](path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		numbers = append(numbers, f.N)
	}
	return numbers, damaged
}

func TestFactsComeBackInTheOrderTheyWereWritten(t *testing.T) {
	path := write(t, 3)
	if got, damaged := read(t, path); !slices.Equal(got, []int{0, 1, 2}) || damaged != 0 {
		t.Errorf("got %v, %d damaged", got, damaged)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestAMissingFileHoldsNoFacts(t *testing.T) {
	if got, damaged := read(t, filepath.Join(t.TempDir(), "none")); len(got) != 0 || damaged != 0 {
		t.Errorf("got %v, %d damaged", got, damaged)
	}
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
		if err := Append(path, fact{"counted", 9}); err != nil {
			t.Fatal(err)
		}
		want := bytes.Count(whole[:cut], []byte("\n")) - 1 // the header is no fact
		got, _ := read(t, path)
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
		facts, damaged, err := Read[fact](path)
		if err != nil || len(facts) < 2 || len(facts) == 4 && damaged == 0 {
			t.Fatalf("byte %d: %v, %d damaged, %v", i, facts, damaged, err)
		}
	}
}

// fault 55
func TestAZeroedFileHoldsNoFactsAndCanBeAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	if err := os.WriteFile(path, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(path, fact{"counted", 1}); err != nil {
		t.Fatal(err)
	}
	if got, damaged := read(t, path); !slices.Equal(got, []int{1}) || damaged != 1 {
		t.Errorf("got %v, %d damaged", got, damaged)
	}
}

// fault 55
func TestAFileOfALaterVersionIsNotReadAndCanBeSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	if err := os.WriteFile(path, []byte(header(2)+"\nwhatever\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var later *LaterError
	if _, _, err := Read[fact](path); !errors.As(err, &later) || later.Path != path {
		t.Errorf("got %v", err)
	}
	aside, err := SetAside(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(aside); err != nil || string(kept) != header(2)+"\nwhatever\n" {
		t.Errorf("set aside: %q, %v", kept, err)
	}
	if got, damaged := read(t, path); len(got) != 0 || damaged != 0 {
		t.Errorf("afterwards: %v, %d damaged", got, damaged)
	}
}

func TestARewriteLeavesJustTheGivenFacts(t *testing.T) {
	path := write(t, 5)
	if err := Rewrite(path, []fact{{"counted", 4}}); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, path); !slices.Equal(got, []int{4}) {
		t.Errorf("got %v", got)
	}
}

func TestAnAppendThatCannotBeMadeSaysSo(t *testing.T) {
	if err := Append(filepath.Join(t.TempDir(), "gone", "order.journal"), fact{}); err == nil {
		t.Error("no error without a directory")
	}
}
