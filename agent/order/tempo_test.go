package order

import (
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
)

func TestTheLastOrdersAloneAreRemembered(t *testing.T) {
	var s Spans
	for i := range 10 {
		s = s.With(time.Duration(i+1)*time.Second*9/10, time.Duration(i+1)*time.Second)
	}
	if len(s) != remembered || s.Least() != 7*time.Second*95/100 {
		t.Errorf("%v, at least %s", s, s.Least())
	}
	if got := (Spans{{Least: time.Hour}}).Least(); got != longestSpan {
		t.Errorf("an hour counts as %s", got)
	}
}

func TestARoughTimeCountsUntilABetterOneIsKnown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spans  Spans
		absent time.Duration
		there  time.Duration
		want   time.Duration
	}{
		{"nothing was known, and the looks were rare", nil, 20 * time.Second, 30 * time.Second, 20 * time.Second},
		{"nothing was known, and the looks were close", nil, 29 * time.Second, 30 * time.Second, 29 * time.Second},
		{"it was there at the first look", nil, -time.Hour, 10 * time.Second, 0},
		{"it was there at once", nil, 0, 20 * time.Millisecond, 19 * time.Millisecond},
		{"it came when it was expected", Spans{{Least: 30 * time.Second}}, 3 * time.Second, 30 * time.Second, 28500 * time.Millisecond},
		{"it came after what was known roughly", Spans{{Least: 20 * time.Second, Rough: true}}, 29 * time.Second, 30 * time.Second, 29 * time.Second},
	} {
		if got := tt.spans.With(tt.absent, tt.there).Least(); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestWhatWasLearnedOutlivesTheProcessAndItsLossHurtsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tempo.json")
	if tempos, err := LoadTempos(path); err != nil || len(tempos) > 0 {
		t.Fatalf("without a file: %v, %v", tempos, err)
	}
	kept := map[string]Tempo{"main": {Certificate: Spans{{Least: time.Minute}, {Least: time.Second, Rough: true}}}}
	if err := KeepTempos(path, kept); err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(filepath.Dir(path), ".tempo.json.dvagent") // by a process that was killed
	if err := os.WriteFile(staged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tempos, err := LoadTempos(path); err != nil || !reflect.DeepEqual(tempos, kept) {
		t.Errorf("%v, %v", tempos, err)
	}
	if _, err := os.Lstat(staged); err == nil {
		t.Error("what a killed process left stays")
	}
	for _, damaged := range []string{"", "null", `{"main":{"certificates":"soon"}}`, `{"main":{"certificates":[{"least":-5}]}}`} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		tempos, _ := LoadTempos(path)
		if least := tempos["main"].Certificate.Least(); tempos == nil || least != 0 {
			t.Errorf("%q: %v, at least %s", damaged, tempos, least)
		}
	}
}

func TestWhatIsNoFileOfTemposKeepsNobodyWaiting(t *testing.T) {
	for name, place := range map[string]func(path string) error{
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"no end":      func(path string) error { return os.WriteFile(path, make([]byte, mostTempos+1), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tempo.json")
			if err := place(path); err != nil {
				t.Fatal(err)
			}
			if tempos, err := LoadTempos(path); err == nil || len(tempos) != 0 {
				t.Errorf("got %v, %v", tempos, err)
			}
		})
	}
}
