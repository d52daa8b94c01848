package issue

import (
	"math/rand/v2"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
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
		name     string
		shortest time.Duration
		shared   bool
		takes    time.Duration
		late     float64 // at most, as a share
		looks    int     // at most
	}{
		{"a second", time.Second, false, time.Second, 1, 2},
		{"a second, at a server that is near", 50 * time.Millisecond, false, time.Second, 0.6, 5},
		{"five seconds", time.Second, false, 5 * time.Second, 0.6, 5},
		{"half a minute", time.Second, false, 30 * time.Second, 0.6, 10},
		{"half a minute, at a server that is near", 50 * time.Millisecond, false, 30 * time.Second, 0.6, 13},
		{"two minutes", time.Second, false, 2 * time.Minute, 0.3, 13},
		{"two minutes, of many orders", time.Second, true, 2 * time.Minute, 0.15, 45},
		{"half a minute, of many orders at a server that is near", 50 * time.Millisecond, true, 30 * time.Second, 0.15, 27},
		{"an hour", time.Second, false, time.Hour, 0.02, 130},
	} {
		p := lookPlan{since: time.Now(), shortest: tt.shortest, first: tt.shortest, shared: tt.shared}
		_, there, looks := looked(p, tt.takes)
		if late := float64(there-tt.takes) / float64(tt.takes); late > tt.late || looks > tt.looks {
			t.Errorf("%s: %.2f late after %d looks", tt.name, late, looks)
		}
	}
}

func TestWhatTheLastOrdersTookMakesLooksFewAndNewsEarly(t *testing.T) {
	const shortest = 50 * time.Millisecond
	for _, takes := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute} {
		var known order.Spans
		for order := range 12 {
			p := lookPlan{since: time.Now(), shortest: shortest, least: known.Least(), rough: known.Rough(), first: shortest}
			absent, there, looks := looked(p, takes)
			late, mostLate, mostLooks := there-takes, takes/20, 5
			if order == 1 { // one is known, and roughly
				mostLate, mostLooks = takes/7, 7
			}
			if order > 0 && (late > mostLate || looks > mostLooks) {
				t.Errorf("order %d of %s: %s late after %d looks", order, takes, late, looks)
			}
			known = known.With(absent, there)
		}
	}
}

// A CA that is not always equally quick.
func TestOrdersThatTakeAFifthMoreOrLessAreSeenEarlyToo(t *testing.T) {
	known := order.Spans{{Least: 25 * time.Second}}
	chances := rand.New(rand.NewPCG(1, 2))
	var late time.Duration
	const orders = 100
	for range orders {
		takes := 25*time.Second + time.Duration(chances.Int64N(int64(10*time.Second)))
		p := lookPlan{since: time.Now(), shortest: time.Second, least: known.Least(), first: time.Second}
		absent, there, looks := looked(p, takes)
		if looks > 10 {
			t.Errorf("%s: seen after %d looks", takes, looks)
		}
		late += there - takes
		known = known.With(absent, there)
	}
	if late > orders*30*time.Second/20 {
		t.Errorf("%s late on average", late/orders)
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
		{"slower", time.Minute, 90 * time.Second, 108 * time.Second},
		{"much slower", 5 * time.Second, time.Minute, 96 * time.Second},
		{"slower than ever", time.Hour, 2 * time.Hour, 2*time.Hour + longestWait*11/10},
		{"once it was at once", shortest, time.Minute, 96 * time.Second},
	} {
		p := lookPlan{since: time.Now(), shortest: shortest, least: order.Spans{{Least: tt.before}}.Least(), first: shortest}
		if _, there, _ := looked(p, tt.takes); there > tt.by {
			t.Errorf("%s: seen after %s", tt.name, there)
		}
	}
}

// A look may come late: the machine was busy, or slept.
func TestALookThatCameLateTellsWhereNothingBetterIsKnown(t *testing.T) {
	const shortest = 50 * time.Millisecond
	well, rough := order.Spans{{Least: 30 * time.Second}}, order.Spans{{Least: 20 * time.Second, Rough: true}}
	for _, tt := range []struct {
		name   string
		known  order.Spans
		absent time.Duration // since when, at the look before the last one; zero: there was none
		there  time.Duration
		learns time.Duration // what is expected of the next one then
		rough  bool
	}{
		{"in time", nil, 20 * time.Second, 31500 * time.Millisecond, 20 * time.Second, true},
		{"a minute late", nil, 20 * time.Second, 90 * time.Second, 20 * time.Second, true},
		{"late at the first look", nil, 0, 90 * time.Second, 0, false},
		{"late where it was known roughly", rough, 15 * time.Second, 90 * time.Second, 15 * time.Second, true},
		{"late where it was known well", well, 15 * time.Second, 90 * time.Second, 30 * time.Second, false},
	} {
		d := &Desk{memory: NewMemory()}
		w := &work{desk: d, order: &order.Order{}}
		since, before := state.Now().Add(-tt.there), time.Time{}
		if tt.absent > 0 {
			before = since.Add(tt.absent)
		}
		d.memory.learn(w.shop(), func(t *order.Tempo) { t.Certificate = tt.known })
		p := lookPlan{since: since, shortest: shortest, least: tt.known.Least(), rough: tt.known.Rough(), first: shortest}
		w.learn(p, since, before, func(t *order.Tempo) *order.Spans { return &t.Certificate })
		if got := d.memory.tempoOf(w.shop()).Certificate; got.Least() != tt.learns || got.Rough() != tt.rough {
			t.Errorf("%s: %+v", tt.name, got)
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
