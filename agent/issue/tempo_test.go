package issue

import (
	"testing"
	"time"

	"dvagent/agent/order"
)

// looked plays an order that takes a time, and tells at which looks it was not
// there yet and at last was.
func looked(p lookPlan, takes time.Duration) (absent, there time.Duration, looks int) {
	var last time.Time
	for looks = 1; ; looks++ {
		absent, last = max(last.Sub(p.since), 0), p.after(last)
		if there = last.Sub(p.since); there >= takes {
			return absent, there, looks
		}
	}
}

func TestLooksGrowRarerWhileNothingIsKnown(t *testing.T) {
	for _, tt := range []struct {
		takes time.Duration
		late  float64 // at most, as a share
		looks int
	}{
		{time.Second, 0.3, 20}, {5 * time.Second, 0.25, 30}, {30 * time.Second, 0.12, 45}, {2 * time.Minute, 0.12, 60}, {time.Hour, 0.02, 200},
	} {
		p := lookPlan{since: time.Now(), shortest: 50 * time.Millisecond}
		_, there, looks := looked(p, tt.takes)
		if late := float64(there-tt.takes) / float64(tt.takes); late > tt.late || looks > tt.looks {
			t.Errorf("%s: %.2f late after %d looks", tt.takes, late, looks)
		}
	}
}

func TestWhatTheLastOrdersTookMakesLooksFewAndNewsEarly(t *testing.T) {
	const shortest = 50 * time.Millisecond
	for _, takes := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute} {
		var known order.Spans
		for order := range 12 {
			p := lookPlan{since: time.Now(), shortest: shortest, least: known.Least(), first: shortest}
			absent, there, looks := looked(p, takes)
			if late := there - takes; order > 0 && (late > takes/20 || looks > 4) {
				t.Errorf("order %d of %s: %s late after %d looks", order, takes, late, looks)
			}
			known = known.With(absent, there)
		}
	}
}

func TestAnotherPaceThanBeforeIsNoticed(t *testing.T) {
	const shortest = 50 * time.Millisecond
	for _, tt := range []struct {
		name          string
		before, takes time.Duration
		by            time.Duration
	}{
		{"much quicker", time.Minute, time.Second, 6*time.Second + shortest},
		{"a little quicker", time.Minute, 50 * time.Second, time.Minute + shortest},
		{"slower", time.Minute, 90 * time.Second, 95 * time.Second},
		{"much slower", 5 * time.Second, time.Minute, 67 * time.Second},
		{"slower than ever", time.Hour, 2 * time.Hour, 2*time.Hour + longestWait*11/10},
		{"once it was at once", shortest, time.Minute, 67 * time.Second},
	} {
		p := lookPlan{since: time.Now(), shortest: shortest, least: order.Spans{tt.before}.Least(), first: shortest}
		if _, there, _ := looked(p, tt.takes); there > tt.by {
			t.Errorf("%s: seen after %s", tt.name, there)
		}
	}
}

func TestOneSlowAnswerSaysLittle(t *testing.T) {
	m := NewMemory()
	m.answered("main", 4*time.Millisecond)
	m.answered("main", 400*time.Millisecond)
	if got := m.answerOf("main"); got != 103*time.Millisecond {
		t.Error(got)
	}
	m.answered("main", 5*time.Millisecond)
	if got := m.answerOf("main"); got != 5*time.Millisecond {
		t.Error(got)
	}
}
