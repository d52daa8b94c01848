package words_test

import (
	"testing"
	"time"

	"dvagent/internal/words"
)

func TestATimeIsToldByHowFarOffItIs(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		after       time.Duration
		want, brief string
	}{
		{"days", 12*day + time.Hour, "in 12 days", "in 12 days"},
		{"less than two days", 47 * time.Hour, "in 47 hours", "in 47 h"},
		{"less than two hours", 119 * time.Minute, "in 119 minutes", "in 119 min"},
		{"the past", -3 * time.Minute, "3 minutes ago", "3 min ago"},
		{"less than two minutes", 119 * time.Second, "in 119 seconds", "in 119 s"},
		{"one second", time.Second, "in 1 second", "in 1 s"},
		{"almost two minutes", 2*time.Minute - 100*time.Millisecond, "in 2 minutes", "in 119 s"},
		{"just now", -100 * time.Millisecond, "in 0 seconds", "0 s ago"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := now.Add(tt.after)
			if got, brief := words.Away(at, now), words.BriefAway(at, now); got != tt.want || brief != tt.brief {
				t.Errorf("got %q and %q", got, brief)
			}
		})
	}
}

func TestNoTimeIsNoWordsWhereRoomIsShort(t *testing.T) {
	if got := words.BriefAway(time.Time{}, time.Now()); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestOneIsCountedInTheSingular(t *testing.T) {
	for n, want := range map[int]string{0: "0 orders", 1: "1 order", 2: "2 orders"} {
		if got := words.Count(n, "order"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
