package issue

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dvagent/agent/order"
)

// Seats bound how many orders are worked on at once. Who waits for an answer of the
// network for longer than a moment is away, and his seat is free for another order to
// begin: he finds one when he comes back, be it one too many. So answers that come
// late hold up nobody, while who waits for his turn to send a request keeps others
// from lining up behind.
type Seats struct {
	most int

	mu           sync.Mutex
	taken        int
	fresh, again []*waiting
	row          int // of those that came again and sat down since the last fresh one
}

// againInRow of those that come again sit down before a fresh one.
const againInRow = 7

type waiting struct {
	name   string
	seated chan bool // false: withdrawn
}

// NewSeats are free.
func NewSeats(most int) *Seats { return &Seats{most: most} }

// Take waits for a seat. Those that come again sit down before those that are fresh,
// but for every eighth, so that what was issued is collected while there is still
// much to submit.
// It answers false where the name was withdrawn. Who is told to end waits for
// nothing. The context is for all that is done until leave is called.
func (s *Seats) Take(ctx context.Context, name string, again bool) (seated context.Context, leave func(), ok bool) {
	s.mu.Lock()
	w := &waiting{name, make(chan bool, 1)}
	queue := &s.fresh
	if again {
		queue = &s.again
	}
	*queue = append(*queue, w)
	s.seat()
	s.mu.Unlock()
	select {
	case ok = <-w.seated:
	case <-ctx.Done():
		ok = s.squeezeIn(w, queue)
	}
	if !ok {
		return ctx, func() {}, false
	}
	return context.WithValue(ctx, seatKey{}, &seat{of: s}), func() { s.change(-1) }, true
}

// squeezeIn seats who still waits, however many sit.
func (s *Seats) squeezeIn(w *waiting, queue *[]*waiting) bool {
	s.mu.Lock()
	if i := slices.Index(*queue, w); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
		s.taken++
		w.seated <- true
	}
	s.mu.Unlock()
	return <-w.seated
}

// seat lets in who waits, as far as there are seats.
func (s *Seats) seat() {
	for s.taken < s.most && len(s.fresh)+len(s.again) > 0 {
		from := &s.again
		if s.row++; len(s.again) == 0 || len(s.fresh) > 0 && s.row > againInRow {
			from, s.row = &s.fresh, 0
		}
		(*from)[0].seated <- true
		*from = (*from)[1:]
		s.taken++
	}
}

func (s *Seats) change(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken += by
	s.seat()
}

// Withdraw sends away who waits, and names them in their order.
func (s *Seats) Withdraw() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, w := range slices.Concat(s.fresh, s.again) {
		names = append(names, w.name)
		w.seated <- false
	}
	s.fresh, s.again = nil, nil
	return names
}

type seatKey struct{}

// seat is that of one order.
type seat struct {
	of *Seats

	urgent atomic.Bool // its order was submitted

	mu    sync.Mutex
	calls int         // that are on their way
	gone  *time.Timer // until it is given up
	away  bool
}

// Urgent says that the order of the context was submitted: what is left to do for it
// goes before what is to be begun.
func Urgent(ctx context.Context) bool {
	s, _ := ctx.Value(seatKey{}).(*seat)
	return s != nil && s.urgent.Load()
}

// hasten makes the order of the context urgent once it was submitted.
func hasten(ctx context.Context, step order.Step) {
	if s, _ := ctx.Value(seatKey{}).(*seat); s != nil {
		s.urgent.Store(step != order.Allocate && step != order.Submit)
	}
}

// awayAfter is how long an answer may take until the seat of who waits is given up.
const awayAfter = 50 * time.Millisecond

// Away says that the order of the context waits for an answer of the network, until
// back is called.
func Away(ctx context.Context) (back func()) {
	s, _ := ctx.Value(seatKey{}).(*seat)
	if s == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls == 1 {
		s.gone = time.AfterFunc(awayAfter, s.giveUp)
	}
	return s.back
}

func (s *seat) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls > 0 && !s.away {
		s.away = true
		s.of.change(-1)
	}
}

func (s *seat) back() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls--; s.calls > 0 {
		return
	}
	s.gone.Stop()
	if s.away {
		s.away = false
		s.of.change(1)
	}
}
