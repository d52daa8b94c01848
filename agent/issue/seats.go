package issue

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dvagent/agent/order"
)

// Seats bound how many orders that begin are worked on at once. Who waits for an answer of the
// network for longer than a moment is away, and his seat is free for another order to
// begin: he finds one when he comes back, be it one too many. So answers that come
// late hold up nobody, while who waits for his turn to send a request keeps others
// from lining up behind.
//
// Orders that are submitted have as many seats of their own: what was issued is collected
// however many came back to seats of those that begin.
type Seats struct {
	most int

	mu               sync.Mutex
	fresh, submitted row
}

// row is the seats of those that begin, or of those that are submitted.
type row struct {
	taken   int
	waiting []*waiting
}

type waiting struct {
	name   string
	seated chan bool // false: withdrawn
}

// NewSeats are free.
func NewSeats(most int) *Seats { return &Seats{most: most} }

// Take waits for a seat. It answers false where the name was withdrawn. Who is told to
// end waits for nothing. The context is for all that is done until leave is called.
func (s *Seats) Take(ctx context.Context, name string, submitted bool) (seated context.Context, leave func(), ok bool) {
	in, w := &s.fresh, &waiting{name, make(chan bool, 1)}
	if submitted {
		in = &s.submitted
	}
	s.mu.Lock()
	in.waiting = append(in.waiting, w)
	s.seat(in)
	s.mu.Unlock()
	select {
	case ok = <-w.seated:
	case <-ctx.Done():
		ok = s.squeezeIn(w, in)
	}
	if !ok {
		return ctx, func() {}, false
	}
	return context.WithValue(ctx, seatKey{}, &seat{of: s, in: in}), func() { s.change(in, -1) }, true
}

// squeezeIn seats who still waits, however many sit.
func (s *Seats) squeezeIn(w *waiting, in *row) bool {
	s.mu.Lock()
	if i := slices.Index(in.waiting, w); i >= 0 {
		in.waiting = slices.Delete(in.waiting, i, i+1)
		in.taken++
		w.seated <- true
	}
	s.mu.Unlock()
	return <-w.seated
}

// seat lets in who waits, as far as there are seats.
func (s *Seats) seat(in *row) {
	for in.taken < s.most && len(in.waiting) > 0 {
		in.waiting[0].seated <- true
		in.waiting = in.waiting[1:]
		in.taken++
	}
}

func (s *Seats) change(in *row, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.taken += by
	s.seat(in)
}

// Withdraw sends away who waits, and names them in their order.
func (s *Seats) Withdraw() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, w := range slices.Concat(s.fresh.waiting, s.submitted.waiting) {
		names = append(names, w.name)
		w.seated <- false
	}
	s.fresh.waiting, s.submitted.waiting = nil, nil
	return names
}

type seatKey struct{}

// seat is that of one order.
type seat struct {
	of *Seats
	in *row

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
		s.of.change(s.in, -1)
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
		s.of.change(s.in, 1)
	}
}
