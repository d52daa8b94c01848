package issue

import (
	"context"
	"sync"
	"time"

	"dvagent/agent/state"
)

// board is the list of a shop as it was read last, for all orders that wait there. It
// only says which one is worth a look of its own: a list may be late, lack a row or be
// wrong.
type board struct {
	mu           sync.Mutex
	begun, ended time.Time // of the last reading
	signs        map[string]Sign
	failed       time.Time // when it could not be read
}

const (
	rowsOfPage  = 50          // of a list, as both APIs page it
	listWorth   = 2           // orders that wait for each page of a list, that it is read for
	listShare   = 1           // a list rests so many times as long as it took to read
	unreadable  = time.Minute // after which one is tried again that could not be read
	trustListed = 30 * time.Second
	trustLacked = 10 * time.Second
	trustMost   = 10 * time.Minute
)

// doubted says that the list has said for too long that nothing moved: for half a
// minute at least, or for twice as long as the last orders took, and then until the
// time waited has doubled. A list that lacks the order is doubted after ten seconds.
func doubted(p lookPlan, asked, now time.Time, listed bool) bool {
	trust := max(trustListed, 2*p.least)
	if !listed {
		trust = trustLacked
	}
	return now.Sub(asked).Abs() > min(max(trust, asked.Sub(p.since)), trustMost)
}

// glance looks at the list for the order, and says as of when, and whether the order
// is to be asked for by itself.
func (w *work) glance(ctx context.Context, p lookPlan, pace *pace) (at time.Time, closer bool) {
	shop := w.shop()
	lister, lists := w.issuer.(Lister)
	if lists {
		w.desk.memory.waits(shop, w.name())
	}
	if !w.desk.memory.crowded(shop) {
		pace.sign = Sign{}
		return time.Time{}, true
	}
	b := w.desk.memory.board(shop)
	back := Away(ctx)
	b.mu.Lock()
	back()
	defer b.mu.Unlock()
	if !b.serves(p, pace.polled) {
		w.readBoard(ctx, b, lister)
	}
	sign, listed := b.signs[w.order.Instance]
	now := state.Now()
	switch before := pace.sign; {
	case !b.failed.IsZero():
		pace.sign = Sign{}
		return time.Time{}, true
	case doubted(p, pace.asked, now, listed):
		closer = true
	case !listed: // which is no news
		return b.begun, false
	case before == Sign{}: // it was not listed before
		closer = !sign.Busy
	default:
		closer = sign != before
	}
	pace.sign = sign
	return b.begun, closer
}

// serves says that the last reading is news to an order that was looked at before it,
// and recent enough; or that the list is to rest.
func (b *board) serves(p lookPlan, polled time.Time) bool {
	now := state.Now()
	if !b.failed.IsZero() {
		return now.Sub(b.failed).Abs() < unreadable
	}
	rests := b.ended.Add(listShare * b.ended.Sub(b.begun))
	return !b.begun.IsZero() && (b.begun.After(polled) && p.after(b.begun).After(now) || now.Before(rests) && now.After(b.begun))
}

func (w *work) readBoard(ctx context.Context, b *board, lister Lister) {
	begun := state.Now()
	signs, err := lister.Signs(ctx)
	if b.failed = (time.Time{}); err != nil {
		b.failed = state.Now()
		return
	}
	b.begun, b.ended, b.signs = begun, state.Now(), signs
	w.desk.memory.listed(w.shop(), len(signs))
}

// board is a shop's.
func (m *Memory) board(s Shop) *board {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boards[s.key()] == nil {
		m.boards[s.key()] = &board{}
	}
	return m.boards[s.key()]
}

// waits notes that an order waits in a shop for its certificate.
func (m *Memory) waits(s Shop, certificate string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := s.key()
	if m.queued[key] == nil {
		m.queued[key] = map[string]bool{}
	}
	m.queued[key][certificate] = true
}

// crowded says that so many orders wait in a shop that its list, as long as it is as
// far as is known, is worth reading for all of them.
func (m *Memory) crowded(s Shop) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	pages := m.rows[s.key()]/rowsOfPage + 1
	return len(m.queued[s.key()]) > listWorth*pages
}

// served says that an order waits no more.
func (m *Memory) served(s Shop, certificate string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.queued[s.key()], certificate)
}

func (m *Memory) listed(s Shop, rows int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[s.key()] = rows
}
