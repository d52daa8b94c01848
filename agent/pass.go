package agent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/install"
	"dvagent/agent/issue"
	"dvagent/agent/notice"
	"dvagent/agent/proof"
	"dvagent/agent/seal"
	"dvagent/agent/share"
	"dvagent/agent/state"
	"dvagent/agent/upload"
	"dvagent/internal/command"
)

// agenda says what a pass works on, and is told how it went.
type agenda interface {
	// due names the certificates whose time has come.
	due(now time.Time) map[string]bool
	// next is when the next one's time comes; zero: no time is waited for.
	next(now time.Time) time.Time
	// begin notes that certificates are worked on now.
	begin(names map[string]bool)
	// handBack is told which of them were not worked on after all, and are due.
	handBack(names map[string]bool)
	// forced says that an operator wants an order although none is due.
	forced(name string) bool
	// take notes how a certificate stands after it was worked on.
	take(state.Outcome)
	// alarms names certificates to be looked at again, such as those whose files
	// changed; nil: there are none.
	alarms() <-chan map[string]bool
	// wake makes certificates due.
	wake(names map[string]bool)
	// noted is told that there may be something to tell people.
	noted()
}

// pass works under the lock, with the ledgers read anew, until nothing is at
// work. Each certificate goes its own way through order, rollout and hooks, and
// comes again when it is due while others are still at work: one that waits for
// the cloud holds up nobody.
type pass struct {
	agent   *Agent
	scope   state.Scope
	desk    *issue.Desk
	rollout *install.Rollout
	uploads *upload.Uploads
	share   *share.Pass // nil where this host is alone
	begun   time.Time

	seats      *issue.Seats
	reading    chan struct{}    // holds a value for each certificate whose state is being read
	looking    chan struct{}    // holds a value for each certificate that is looked at from its disk alone
	fresh      []*turn          // that have not been started
	turns      map[string]*turn // all that are at work, by certificate
	orders     int              // that are being advanced
	installing int              // that are being installed
	toTell     []*turn          // whose hooks are to run
	since      time.Time        // when the first of toTell came
	hooking    bool             // hooks run

	look    *look
	reports chan func() // what a stage has done, to be noted by the loop
	tick    *time.Timer // for what only time brings
	soon    bool        // it ends in a moment
	seen    []notice.Seen
	noted   time.Time // when people's troubles were last written down
}

// turn is one certificate's way through a pass.
type turn struct {
	certificate config.Certificate
	forced      bool
	sighting    sighting      // the last one of its targets
	begun       time.Time     // zero while it waits for its seat
	joined      func()        // called when nobody needs to wait for its installation any more
	left        func()        // called when it is no longer looked at from the disk alone
	item        *install.Item // once its order has gone as far as it goes now
	passedOver  bool          // its targets were not looked at

	looked        time.Time // when it began to be looked at
	before, after seal.Sum  // what there was to be seen then, and after its installation; zero where that cannot tell
}

func (a *Agent) newPass(scope state.Scope, look *look) (*pass, error) {
	desk, err := issue.Open(a.host, scope, issue.Tools{
		Issuer: a.accounts.Issuer, Prover: proof.New(a.zones), Memory: a.memory, Fleet: a.fleet,
	})
	if err != nil {
		return nil, err
	}
	now := state.Now()
	var shared *share.Pass
	if !scope.Alone {
		shared = a.share.Pass()
	}
	return &pass{agent: a, scope: scope, desk: desk, rollout: install.New(a.host, scope, desk.Trusts),
		uploads: upload.New(a.host, scope, a.accounts.Vault), share: shared, begun: now, noted: now,
		look: look, seats: issue.NewSeats(a.host.Config.Limits.ParallelOrders), reading: make(chan struct{}, readAtOnce), looking: make(chan struct{}, lookedAtOnce),
		turns: map[string]*turn{}, reports: make(chan func())}, nil
}

const (
	readAtOnce   = 16                     // certificates whose state is read side by side
	lookedAtOnce = 64                     // certificates that are looked at side by side, which bounds the memory of a pass; who waits for a server or a reload is none
	tickEvery    = 100 * time.Millisecond // so soon after news it is seen what is due, and so often at most
	hooksAfter   = 3 * time.Second        // so long hooks wait for what is not in place yet
	passLength   = time.Minute            // after which a pass takes in something new only while it is held up
	heldUpAfter  = 5 * time.Second        // so long is a turn that holds a pass up
	noteEvery    = 10 * time.Second       // between two notes of what people are to be told

	lingers      = 100 * time.Millisecond // so long a pass waits for what is due next
	shortestWait = 5 * time.Millisecond   // and so long at least, whatever is due

	betweenPasses = 200 * time.Millisecond // so long others can take the lock, which they try every 50 ms, before the next pass
)

// run works on the agenda until nothing is at work any more.
func (p *pass) run(ctx context.Context, agenda agenda) {
	ctx = command.WithAlive(ctx, p.agent.host.Alive)
	p.tick = time.NewTimer(tickEvery)
	defer p.tick.Stop()
	p.begin(ctx, agenda)
	for {
		p.advance(ctx, agenda)
		p.runHooks(ctx, agenda)
		if len(p.turns) == 0 {
			if p.linger(ctx, agenda) {
				continue
			}
			break
		}
		select {
		case report := <-p.reports:
			report()
			p.tickSoon()
		case names := <-agenda.alarms():
			agenda.wake(names)
			p.tickSoon()
		case <-p.tick.C:
			p.soon = false
			if p.takesMore(state.Now()) {
				p.begin(ctx, agenda)
			} else {
				p.handBack(ctx, agenda)
			}
			if state.Now().Sub(p.noted) > noteEvery {
				p.note(ctx, agenda)
			}
			p.tick.Reset(p.quiet(agenda))
		}
	}
	if p.scope.Unconfigured {
		for _, outcome := range p.desk.SweepUnconfigured(ctx) {
			agenda.take(outcome)
		}
	}
	p.note(ctx, agenda)
	p.share.End(ctx)
	p.desk.Keep()
	p.look.keep(p.desk)
}

// tickSoon has it seen soon what is due, for something has happened.
func (p *pass) tickSoon() {
	if !p.soon {
		p.soon = true
		p.tick.Reset(tickEvery)
	}
}

// quiet is how long there is nothing to see, unless something happens.
func (p *pass) quiet(agenda agenda) time.Duration {
	now := state.Now()
	next := agenda.next(now)
	if !next.After(now) { // what is due is at work already, or waits until the pass is held up
		next = now.Add(heldUpAfter)
	}
	until := state.Sooner(next, now.Add(noteEvery))
	if len(p.toTell) > 0 {
		until = state.Sooner(until, p.since.Add(hooksAfter))
	}
	if end := p.begun.Add(passLength); end.After(now) {
		until = state.Sooner(until, end)
	}
	return max(until.Sub(now), tickEvery)
}

// linger keeps the lock where something is due in a moment, and begins it then: that is
// sooner than another pass, for which everything is read anew. It says whether it did.
func (p *pass) linger(ctx context.Context, agenda agenda) bool {
	now := state.Now()
	next := agenda.next(now)
	if next.IsZero() || next.Sub(now) > lingers || !p.takesMore(now) || state.SleepUntil(ctx, now.Add(max(next.Sub(now), shortestWait))) != nil {
		return false
	}
	p.begin(ctx, agenda)
	return len(p.turns) > 0
}

// takesMore says that what has become due may begin in this pass. After a while
// a pass takes no more, so that others get the lock; but while a turn of its
// beginning holds it up, it keeps the lock in any case.
func (p *pass) takesMore(now time.Time) bool {
	if now.Sub(p.begun).Abs() < passLength {
		return true
	}
	for _, t := range p.turns {
		early := !t.begun.IsZero() && t.begun.Sub(p.begun).Abs() < passLength
		if early && now.Sub(t.begun).Abs() > heldUpAfter {
			return true
		}
	}
	return false
}

// begin takes in what is due and not at work already, first what the pass before
// handed back. One that is stopped takes in nothing more.
func (p *pass) begin(ctx context.Context, agenda agenda) {
	if ctx.Err() != nil && len(p.turns) > 0 {
		return
	}
	due := agenda.due(state.Now())
	for name := range due {
		if p.turns[name] != nil {
			delete(due, name)
		}
	}
	if len(due) == 0 {
		return
	}
	agenda.begin(due)
	p.passOver(ctx, due, agenda)
	p.enter(due, agenda)
}

// enter makes turns for certificates that were begun.
func (p *pass) enter(begun map[string]bool, agenda agenda) {
	if len(begun) == 0 {
		return
	}
	for _, certificate := range p.inOrder() {
		if !begun[certificate.Name] {
			continue
		}
		t := &turn{certificate: *certificate, forced: agenda.forced(certificate.Name), sighting: p.agent.inPlace[certificate.Name]}
		p.turns[certificate.Name] = t
		p.fresh = append(p.fresh, t)
	}
}

// inOrder is the certificates of the configuration, those that were handed back
// before all others: where many fail again and again, the last ones get a turn, too.
func (p *pass) inOrder() []*config.Certificate {
	place := map[string]int{}
	for i, name := range p.agent.waiting {
		place[name] = i - len(p.agent.waiting)
	}
	p.agent.waiting = nil
	certificates := p.agent.host.Config.Certificates
	all := make([]*config.Certificate, len(certificates))
	for i := range certificates {
		all[i] = &certificates[i]
	}
	slices.SortStableFunc(all, func(a, b *config.Certificate) int { return cmp.Compare(place[a.Name], place[b.Name]) })
	return all
}

// handBack leaves to the next pass who has not got a seat yet.
func (p *pass) handBack(ctx context.Context, agenda agenda) {
	if ctx.Err() != nil {
		return
	}
	names := map[string]bool{}
	for _, name := range p.seats.Withdraw() {
		names[name] = true
		p.agent.waiting = append(p.agent.waiting, name)
		delete(p.turns, name)
	}
	if len(names) > 0 {
		agenda.handBack(names)
	}
}
