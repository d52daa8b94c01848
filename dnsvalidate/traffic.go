package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"
)

const (
	maxQuestions    = 256  // in flight at once, over all looks: each has a socket
	maxPerAddress   = 16   // of them to one address, so that a silent one holds few
	ratePerAddress  = 100  // questions a second to one address, after the burst
	burstPerAddress = 50   // questions to one address at once; a look at an unknown zone takes about 20
	maxLanes        = 1000 // kept, beside those in use
)

// traffic carries the questions of all looks. It bounds the load on each address,
// and an address that does not answer delays no question to another one.
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
	reason   *noAnswer // and how
}

// ask is the plain ask, when its turn has come. took leaves the wait out.
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

// begin waits until the address may be asked. When, during the wait, another
// question was given up and none was answered, it returns the reason: there is no
// point in finding that out once more.
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
	if reason, ok := errors.AsType[*noAnswer](err); ok {
		l.gaveUp, l.reason = time.Now(), reason
	} else if err == nil {
		l.answered = time.Now()
	}
}

// failing returns why a question was given up since then. It is nil when none was
// given up, or when one was answered.
func (l *lane) failing(since time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gaveUp.After(since) && l.answered.Before(since) {
		return l.reason
	}
	return nil
}

// ask puts a question to an address when its turn has come. The error is a
// *noAnswer, or that of ctx once ctx has ended.
func (p *Prover) ask(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	answer, _, err := p.traffic.ask(ctx, address, query)
	return answer, err
}

// askOnce is ask for a question that other looks may be asking right now. They
// share the answer, so nobody may change it.
func (p *Prover) askOnce(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	key := fmt.Sprint(address, query.Question[0], query.RecursionDesired, query.CheckingDisabled, query.AuthenticatedData)
	return p.asking.Do(ctx, key, func() (*dns.Msg, error) { return p.ask(ctx, address, query) })
}
