package issue

import (
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/chance"
)

const (
	longestWait = 30 * time.Second // between two looks, where nothing is known
	enoughWait  = time.Second      // between two looks, for any server however slow
	sharedWait  = enoughWait / 2   // between two readings of a list, where nothing is known
	perAnswer   = 10               // the shortest wait is so many times what the server takes to answer
)

// lookPlan is when something is looked at that was asked for at a time.
type lookPlan struct {
	since    time.Time
	shortest time.Duration // between two looks
	least    time.Duration // that it took lately; zero: not known
	rough    bool          // it may take much longer
	first    time.Duration // until the first look, at least
	shared   bool          // a look is for many, so that more of them cost little
}

// after is the time of the look that follows one at a time (zero: there was none).
// Where it is known how long the last ones took, there is one look at a tenth of
// that, for it may have become quicker, and then from that time on, at first by a
// 25th of it, or by an eighth where that is known roughly. Else the waits grow with the
// time waited already: as twice that in the first moments, later as half of it.
func (p lookPlan) after(last time.Time) time.Time {
	next, spread := p.next(last)
	return next.Add(chance.Below(spread + 1))
}

// next is the earliest time of the look after one, and by how much it may be later.
func (p lookPlan) next(last time.Time) (next time.Time, spread time.Duration) {
	if last.Before(p.since) {
		return p.since.Add(p.early()), 0
	}
	waited := last.Sub(p.since)
	if waited < p.least {
		return last.Add(max(p.least-waited, p.shortest)), 0
	}
	step := min(2*waited, max(enoughWait, waited)/2, longestWait)
	if p.shared {
		step = max(step/4, sharedWait)
	}
	if waited < 2*p.least {
		step = min(step, max(p.closest(), (waited-p.least)/3))
	}
	step = max(step, p.shortest)
	return last.Add(step), step / 10
}

// closest is the wait between two looks at about the time that the last ones took.
func (p lookPlan) closest() time.Duration {
	if p.rough {
		return p.least / 8
	}
	return p.least / 25
}

// early is when the first look comes: what was there at the first look of the last
// orders may be there at once.
func (p lookPlan) early() time.Duration {
	switch {
	case p.least > 0 && p.least <= p.shortest:
		return 0
	case p.least > enoughWait:
		return max(p.least/10, p.first)
	}
	return max(p.least, p.first)
}

// plan is when to look for what the order waits for: its challenge, or its
// certificate once every proof stands.
func (w *work) plan() lookPlan {
	t, shortest := w.desk.memory.tempoOf(w.shop()), w.shortest()
	if len(w.order.Challenges) == 0 || w.order.ProvedAt.IsZero() {
		p := lookPlan{since: w.order.SubmittedAt, shortest: shortest, least: t.Challenge.Least(), rough: t.Challenge.Rough()}
		if lasting(w.order) { // it was read right before it was handed in
			p.first = shortest
		}
		return p
	}
	p := lookPlan{since: w.order.ProvedAt, shortest: shortest, least: t.Certificate.Least(), rough: t.Certificate.Rough(), first: shortest, shared: w.desk.memory.crowded(w.shop())}
	if p.least > 0 {
		return p
	}
	if p.shared { // else the list is read for each that comes to wait
		p.first = max(p.first, sharedWait)
	}
	if shown := w.order.ShownAt(); !shown.IsZero() {
		p.since = shown
	} else { // the CA can hardly be ahead of the name servers
		p.shortest, p.first = enoughWait, enoughWait
	}
	return p
}

// shortest is the shortest time between two looks: a server that answers in a
// moment stands nearby, and is asked again sooner.
func (w *work) shortest() time.Duration {
	answer := w.desk.memory.answerOf(w.order.Account)
	return max(w.desk.host.Config.Limits.ShortestPoll, min(perAnswer*answer, enoughWait))
}

// learn notes how long it took since a time until something was there. A look that
// came later than it was meant to says no more than when it was not there yet, which
// counts where nothing better is known.
func (w *work) learn(p lookPlan, since, before time.Time, of func(*order.Tempo) *order.Spans) {
	if w.order.Adopted || since.IsZero() {
		return
	}
	now := state.Now()
	next, spread := p.next(before)
	late := now.Sub(next) > spread+enoughWait
	if late && (!before.After(since) || p.least > 0 && !p.rough) {
		return
	}
	w.desk.memory.learn(w.shop(), func(t *order.Tempo) { s := of(t); *s = s.With(before.Sub(since), now.Sub(since)) })
}

func (s Shop) key() string { return s.Account + " " + s.API + " " + s.Package }

func (m *Memory) tempoOf(s Shop) order.Tempo {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tempos[s.key()]
}

func (m *Memory) learn(s Shop, change func(*order.Tempo)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tempos[s.key()]
	change(&t)
	m.tempos[s.key()], m.learned = t, true
}

// answered notes how long an account took to answer.
func (m *Memory) answered(account string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.answers[account]; known > 0 && took > known {
		took = (3*known + took) / 4 // one slow answer says little
	}
	m.answers[account] = took
}

// answerOf is how long an account takes to answer; zero: it was not asked yet.
func (m *Memory) answerOf(account string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answers[account]
}

// recall reads what earlier processes learned. It is a help: without it all is
// learned anew.
func (m *Memory) recall(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.learned {
		return nil
	}
	tempos, err := order.LoadTempos(path)
	m.tempos = tempos
	return err
}

// keep writes down what was learned.
func (m *Memory) keep(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.learned {
		return nil
	}
	m.learned = false
	return order.KeepTempos(path, m.tempos)
}
