package order

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestTheLastOrdersAloneAreRemembered(t *testing.T) {
	var s Spans
	for i := range 10 {
		s = s.With(0, time.Duration(i)*time.Second)
	}
	if len(s) != remembered || s.Least() != 6*time.Second*95/100 {
		t.Errorf("%v, at least %s", s, s.Least())
	}
	if got := (Spans{time.Hour}).Least(); got != longestSpan {
		t.Errorf("an hour counts as %s", got)
	}
}

func TestWhatWasLearnedOutlivesTheProcessAndItsLossHurtsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tempo.json")
	if tempos, err := LoadTempos(path); err != nil || len(tempos) > 0 {
		t.Fatalf("without a file: %v, %v", tempos, err)
	}
	kept := map[string]Tempo{"main": {Certificate: Spans{time.Minute}}}
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
	for _, damaged := range []string{"", "null", `{"main":{"certificate":"soon"}}`, `{"main":{"certificate":[-5]}}`} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		tempos, _ := LoadTempos(path)
		if least := tempos["main"].Certificate.Least(); tempos == nil || least != 0 {
			t.Errorf("%q: %v, at least %s", damaged, tempos, least)
		}
	}
}
