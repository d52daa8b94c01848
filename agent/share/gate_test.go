package share

import (
	"testing"
	"time"

	"dvagent/agent/fleet"
)

func TestAHostInstallsWhatTheCanariesHaveProved(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	tries := func(states ...fleet.TryState) map[string]fleet.Try {
		all := map[string]fleet.Try{}
		for i, one := range states {
			all[string(rune('a'+i))] = fleet.Try{At: now.Add(-time.Minute), State: one}
		}
		return all
	}
	const trying, served, failed = fleet.Trying, fleet.Served, fleet.Failed
	for _, tt := range []struct {
		name     string
		tries    map[string]fleet.Try
		canaries int
		later    time.Duration
		released bool
		want     verdict
		who      string
	}{
		{"nobody tries it yet", nil, 1, 0, false, try, ""},
		{"there are no canaries", nil, 0, 0, false, open, ""},
		{"the canary is at work", tries(trying), 1, 0, false, wait, "a"},
		{"the canary serves it", tries(served), 1, 0, false, open, ""},
		{"the canary has failed", tries(failed), 1, 0, false, held, "a"},
		{"a seat is free", tries(served), 2, 0, false, try, ""},
		{"one of two serves it, the other is at work", tries(served, trying), 2, 0, false, wait, "b"},
		{"one of two serves it, the other has failed", tries(served, failed), 2, 0, false, held, "b"},
		{"two of two serve it, a third has failed", tries(served, served, failed), 2, 0, false, open, ""},
		{"of two that failed the first is named", tries(failed, failed), 2, 0, false, held, "a"},
		{"no seat is taken where one has failed", tries(failed), 2, 0, false, held, "a"},
		{"the canary is silent", tries(trying), 1, silentAfter, false, try, ""},
		{"a silent canary, and one that serves it", tries(trying, served), 1, silentAfter, false, open, ""},
		{"an operator has let it go", tries(failed), 1, 0, true, open, ""},
		{"the host itself is at work", map[string]fleet.Try{"me": {At: now, State: trying}}, 1, 0, false, open, ""},
		{"the host itself has failed", map[string]fleet.Try{"me": {At: now, State: failed}}, 1, time.Hour, false, open, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fleet.Rollout{Tries: tt.tries, Released: tt.released}
			if got, who := gate(r, "me", tt.canaries, now.Add(tt.later)); got != tt.want || who != tt.who {
				t.Errorf("got %d, %q", got, who)
			}
		})
	}
}

func TestASeatFallsFreeWhenTheFirstCanaryIsSilentForTooLong(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration, as fleet.TryState) fleet.Try { return fleet.Try{At: now.Add(-ago), State: as} }
	for _, tt := range []struct {
		name  string
		tries map[string]fleet.Try
		in    time.Duration // zero: none does
	}{
		{"of those at work", map[string]fleet.Try{"a": at(5*time.Minute, fleet.Trying), "b": at(9*time.Minute, fleet.Trying)}, 6 * time.Minute},
		{"not of one that is silent already", map[string]fleet.Try{"a": at(silentAfter, fleet.Trying), "b": at(time.Minute, fleet.Trying)}, 14 * time.Minute},
		{"not of those that have said how it went", map[string]fleet.Try{"a": at(time.Minute, fleet.Served), "b": at(time.Minute, fleet.Failed)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want time.Time
			if tt.in > 0 {
				want = now.Add(tt.in)
			}
			if free := seatFree(fleet.Rollout{Tries: tt.tries}, now); !free.Equal(want) {
				t.Errorf("at %s", free)
			}
		})
	}
}
