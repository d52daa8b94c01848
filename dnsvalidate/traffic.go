package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	maxQuestions    = 256  // in flight at once, over all looks: each has a socket
	maxPerAddress   = 16   // of them to one address, so that a silent one holds few
	ratePerAddress  = 100  // questions a second to one address, once
	burstPerAddress = 50   // these are spent; a look at an unknown zone takes about 20
	maxLanes        = 1000 // kept, beside those in use
)

// traffic is what all looks together ask. It bounds the load on each address,
// and an address that does not answer holds up no question to another one.
type traffic struct {
	slots chan struct{}

	mu    sync.Mutex
	lanes map[string]*lane // by address
}

func newTraffic() *traffic {
	return &traffic{slots: make(chan struct{}, maxQuestions), lanes: make(map[string]*lane)}
}

// lane leads to one address.
type lane struct {
	slots chan struct{}
	rate  *rate.Limiter
	users int // who ask or wait; guarded by traffic.mu

	mu       sync.Mutex
	answered time.Time // when the latest answer came
	gaveUp   time.Time // when the latest question without one ended
	reason   *unheard  // and how
}

// ask is the plain ask, in its turn. took is without the wait for that.
func (t *traffic) ask(ctx context.Context, address string, query *dns.Msg) (answer *dns.Msg, took time.Duration, err error) {
	lane := t.enter(address)
	defer t.leave(lane)
	if err := lane.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer lane.end()
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	begun := time.Now()
	answer, err = ask(ctx, address, query)
	lane.learn(err)
	return answer, time.Since(begun), err
}

func (t *traffic) enter(address string) *lane {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.lanes[address]
	if !ok {
		t.forgetIdle()
		known = &lane{slots: make(chan struct{}, maxPerAddress), rate: rate.NewLimiter(ratePerAddress, burstPerAddress)}
		t.lanes[address] = known
	}
	known.users++
	return known
}

func (t *traffic) leave(lane *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lane.users--
}

func (t *traffic) forgetIdle() {
	if len(t.lanes) < maxLanes {
		return
	}
	for address, lane := range t.lanes {
		if lane.users == 0 {
			delete(t.lanes, address)
		}
	}
}

// begin waits until the address may be asked. Who waits while the others that
// ask are given up, and none is answered, is not made to find out by itself.
func (l *lane) begin(ctx context.Context) error {
	arrived := time.Now()
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if reason := l.failing(arrived); reason != nil {
		l.end()
		return reason
	}
	turn := l.rate.Reserve()
	select {
	case <-time.After(turn.Delay()):
		return nil
	case <-ctx.Done():
		turn.Cancel()
		l.end()
		return ctx.Err()
	}
}

func (l *lane) end() { <-l.slots }

func (l *lane) learn(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reason, ok := errors.AsType[*unheard](err); ok {
		l.gaveUp, l.reason = time.Now(), reason
	} else if err == nil {
		l.answered = time.Now()
	}
}

// failing returns why a question was given up since then, or nil when none was
// or when another one was answered.
func (l *lane) failing(since time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gaveUp.After(since) && l.answered.Before(since) {
		return l.reason
	}
	return nil
}

// together lets those who want the same at the same time do it once. The first
// one does it, and when its ctx ends another one.
func together[T any](ctx context.Context, group *singleflight.Group, key string, do func() (T, error)) (T, error) {
	for {
		select {
		case <-ctx.Done():
			return *new(T), ctx.Err()
		case done := <-group.DoChan(key, func() (any, error) { return do() }):
			if hasEnded(done.Err) && ctx.Err() == nil {
				continue
			}
			result, _ := done.Val.(T)
			return result, done.Err
		}
	}
}

// hasEnded says that err comes from a ctx that ended, and not from a server.
func hasEnded(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// ask puts a question to an address in its turn. Its errors are *unheard, or
// that of ctx once that ended.
func (p *Prover) ask(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	answer, _, err := p.traffic.ask(ctx, address, query)
	return answer, err
}

// askOnce is ask for what other looks may be asking right now: they share the
// answer, which nobody may change.
func (p *Prover) askOnce(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	key := fmt.Sprint(address, query.Question[0], query.RecursionDesired, query.CheckingDisabled, query.AuthenticatedData)
	return together(ctx, &p.asking, key, func() (*dns.Msg, error) { return p.ask(ctx, address, query) })
}
