package words_test

import (
	"slices"
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
		{"now", -100 * time.Millisecond, "now", "now"},
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

// fault 184
func TestEachTimeIsByTheClockOfThisHostWhicheverItCameBy(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	for _, tt := range []struct {
		zone                        *time.Location
		date, minute, second, clock string
	}{
		{time.UTC, "2026-11-25", "2026-11-25 16:04 UTC", "2026-11-25 16:04:05 UTC", "UTC"},
		{time.FixedZone("CST", 8*60*60), "2026-11-26", "2026-11-26 00:04 CST", "2026-11-26 00:04:05 CST", "CST (UTC+08:00)"},
	} {
		t.Run(tt.clock, func(t *testing.T) {
			time.Local = tt.zone
			for _, at := range []time.Time{
				time.Date(2026, 11, 25, 16, 4, 5, 0, time.UTC),
				time.Date(2026, 11, 25, 11, 4, 5, 0, time.FixedZone("EST", -5*60*60)),
			} {
				if got := []string{words.Date(at), words.Minute(at), words.Second(at), words.Clock(at)}; !slices.Equal(got,
					[]string{tt.date, tt.minute, tt.second, tt.clock}) {
					t.Errorf("got %q", got)
				}
			}
		})
	}
}
