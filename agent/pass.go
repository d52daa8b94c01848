package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/internal/aliyun"
	"dvagent/internal/journal"
)

// scope says what a pass works on.
type scope struct {
	names map[string]bool // nil: every certificate
	force map[string]bool // ordered although not due
	since time.Time       // failures before it hold nothing up; zero: every backoff counts

	redeploy     bool // install again what is in place already
	unconfigured bool // also the owed records of certificates that are not configured
}

func (s scope) has(name string) bool { return s.names == nil || s.names[name] }

// pass is one look at everything in scope, under the lock, with the ledgers
// read anew and each list of the cloud read at most once.
type pass struct {
	*Agent
	scope
	instances *order.Instances
	owed      *order.Owed
	before    preflight

	mu     sync.Mutex
	lists  map[string]*accountLists
	listed map[string][]aliyun.Instance // by account, as far as they were wanted

	hung sync.Map // commands of hooks that ran into their time limit in this pass
}

// accountLists are an account's lists, read when first wanted.
type accountLists struct {
	instances    func() ([]aliyun.Instance, error)
	adoptable    func() (running, error)
	certificates func() ([]aliyun.Certificate, error)
}

func (a *Agent) newPass(s scope) (*pass, error) {
	p := &pass{Agent: a, scope: s, before: a.newPreflight(), lists: map[string]*accountLists{}, listed: map[string][]aliyun.Instance{}}
	err := a.readable(func() (err error) {
		p.instances, err = order.LoadInstances(a.config.StateDir)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = a.readable(func() (err error) {
		p.owed, err = order.LoadOwed(a.config.StateDir)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, errors.Join(p.instances.Compact(wallClock()), p.owed.Compact())
}

// readable reads, and sets a file aside that a later dvagent wrote: what it
// said is found out again from the other files and from the server.
func (a *Agent) readable(read func() error) error {
	for {
		err := read()
		var later *journal.LaterError
		if !errors.As(err, &later) {
			return err
		}
		aside, err := journal.SetAside(later.Path, wallClock())
		if err != nil {
			return err
		}
		a.log.Warn("set a journal aside that a later dvagent wrote", "file", aside)
	}
}

// inScope lists the certificates that the pass works on.
func (p *pass) inScope() []config.Certificate {
	var certificates []config.Certificate
	for _, certificate := range p.config.Certificates {
		if p.has(certificate.Name) {
			certificates = append(certificates, certificate)
		}
	}
	return certificates
}

// run works on every certificate in scope until each has ended or waits.
func (p *pass) run(ctx context.Context) []Outcome {
	certificates := p.inScope()
	standings := make([]standing, len(certificates))
	outcomes := make([]Outcome, len(certificates))
	var group errgroup.Group
	group.SetLimit(p.config.Limits.ParallelOrders)
	for i, certificate := range certificates {
		group.Go(func() error {
			standings[i], outcomes[i] = p.guarded(ctx, certificate)
			p.moved()
			return nil
		})
	}
	_ = group.Wait() // no work returns an error: it is in the outcome
	p.rollout(ctx, standings, outcomes)
	p.noteTroubles(ctx, standings, outcomes)
	return merged(append(outcomes, p.sweep(ctx)...))
}

// guarded keeps a panic in one certificate's work from the others.
func (p *pass) guarded(ctx context.Context, certificate config.Certificate) (s standing, outcome Outcome) {
	err := p.contained(certificate.Name, func() error {
		s, outcome = p.orderWork(ctx, certificate)
		return nil
	})
	if err != nil {
		outcome = failed(certificate.Name, err)
		outcome.Next = wallClock().Add(longestBackoff)
	}
	return s, outcome
}

// contained makes an error of a panic.
func (a *Agent) contained(certificate string, do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.log.Error("panic", "certificate", certificate, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = fmt.Errorf("an error in dvagent itself: %v", cause)
		}
	}()
	return do()
}

// orderWork takes over, opens and advances the certificate's order as far as
// it goes now. It returns what the disk says then.
func (p *pass) orderWork(ctx context.Context, certificate config.Certificate) (standing, Outcome) {
	var s standing
	err := p.readable(func() (err error) {
		s, err = p.read(certificate)
		return err
	})
	if err != nil {
		return s, failed(certificate.Name, err)
	}
	if s, err = p.ready(s); err != nil {
		return s, failed(s.Name, err)
	}
	if s.order == nil {
		return s, Outcome{Certificate: s.Name, Next: s.renewsAt()}
	}
	w := &work{pass: p, standing: s}
	outcome := w.run(ctx)
	return w.standing, outcome
}

// ready gives the certificate an open order when it needs one.
func (p *pass) ready(s standing) (_ standing, err error) {
	if held := s.rollout.Held; held != "" && held != s.current && s.current == s.newest { // a rollback that failed
		if err := s.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Freed}); err != nil {
			return s, err
		}
	}
	if s.current == "" && s.newest != "" {
		if s, err = p.relink(s); err != nil {
			return s, err
		}
	}
	if s.order, err = p.settle(s); err != nil || s.order != nil {
		return s, err
	}
	if s.newest == "" {
		if s, err = p.takeOver(s); err != nil {
			return s, err
		}
	}
	reason := s.due(wallClock())
	if reason == "" && p.force[s.Name] {
		reason = ReasonForced
	}
	if reason == "" {
		return s, p.dropClaim(s)
	}
	s.order, err = p.open(s, reason)
	return s, err
}

// relink makes a stored version current again where the link is gone or was
// replaced, as by a restored backup: the held one, or the newest that is whole.
func (p *pass) relink(s standing) (standing, error) {
	versions, err := s.store.Versions()
	if err != nil {
		return s, err
	}
	if s.rollout.Held != "" {
		versions = append([]string{s.rollout.Held}, versions...)
	}
	for _, version := range versions {
		if s.store.Switch(version) == nil {
			p.say(s.Name, "", "the link to the current version was gone and is restored: "+version)
			return p.read(s.Certificate)
		}
	}
	return s, nil
}

// dropClaim gives back a claim whose order is not known any more and not
// needed either.
func (p *pass) dropClaim(s standing) error {
	claim, _ := p.instances.ClaimOf(s.Account, s.Name)
	if claim.Instance == "" {
		return nil
	}
	return p.instances.Record(order.InstanceEntry{At: wallClock(), Kind: order.InstanceReleased,
		Account: s.Account, Instance: claim.Instance, Certificate: s.Name})
}

// settle finishes what a killed process left of an ended order, and withdraws
// an order that claimed nothing and has no reason any more: its certificate is
// no longer due, its configuration was changed, or an earlier call forced it.
func (p *pass) settle(s standing) (*order.Order, error) {
	o := s.order
	if o == nil {
		return nil, nil
	}
	if o.Step() == order.Done {
		return nil, p.finish(o)
	}
	if err := p.mend(s, o); err != nil {
		return nil, err
	}
	if o.Instance != "" {
		return o, nil
	}
	asConfigured := sameSet(o.Domains, s.Domains) && o.Account == s.Account && o.DNSAccount == s.DNSAccount
	if asConfigured && (s.due(wallClock()) != "" || p.force[s.Name]) {
		return o, nil
	}
	return nil, p.closeOrder(o, order.Withdrawn, "no longer due")
}

func (p *pass) open(s standing, reason string) (*order.Order, error) {
	p.forget(s.Name)
	p.observe(Progress{At: wallClock(), Certificate: s.Name, Step: string(order.Allocate), Text: "ordering: " + reason,
		Emergency: s.emergency(wallClock())})
	p.ordered(OrderOpened)
	return order.Open(p.dir(s.Name), opened(s, reason, p.force[s.Name]))
}

func opened(s standing, reason string, forced bool) order.Fact {
	return order.Fact{
		At: wallClock(), Kind: order.Opened, Domains: s.Domains, Account: s.Account, DNSAccount: s.DNSAccount,
		Reason: reason, Forced: forced,
	}
}

// closeOrder ends an order and its claim.
func (p *pass) closeOrder(o *order.Order, outcome order.Outcome, why string) error {
	err := o.Record(order.Fact{At: wallClock(), Kind: order.Ended, Outcome: outcome, Error: why})
	if err != nil {
		return err
	}
	p.ordered(string(outcome))
	return p.finish(o)
}

// finish gives the claim of an ended order back and sets its journal aside.
func (p *pass) finish(o *order.Order) error {
	if o.Instance != "" && p.instances.Holder(o.Account, o.Instance) == o.Certificate {
		use := order.InstanceReleased
		switch o.Outcome {
		case order.Abandoned:
			use = order.InstanceAbandoned
		case order.LetGo:
			use = order.InstanceForeign
		}
		if err := p.use(o, use); err != nil {
			return err
		}
	}
	return o.Archive()
}

// use writes what happens to the order's instance into the ledger.
func (p *pass) use(o *order.Order, use order.InstanceUse) error {
	return p.instances.Record(order.InstanceEntry{
		At: wallClock(), Kind: use, Account: o.Account, Instance: o.Instance, Certificate: o.Certificate,
	})
}

// mend makes good for damaged lines, and for a process that died between the
// ledger and the journal: an order without names has the configured ones, an
// instance without a claim is claimed, and one that was given back is let go.
func (p *pass) mend(s standing, o *order.Order) error {
	if len(o.Domains) == 0 {
		if err := o.Record(opened(s, s.due(wallClock()), false)); err != nil {
			return err
		}
	}
	holder := ""
	if o.Instance != "" {
		holder = p.instances.Holder(o.Account, o.Instance)
	}
	givenBack := holder == "" && o.SubmittedAt.IsZero() && p.instances.RefusedTo(o.Account, o.Instance, o.Certificate)
	switch {
	case o.Instance == "" || holder == o.Certificate:
		return nil
	case holder != "" || givenBack:
		return o.Record(order.Fact{At: wallClock(), Kind: order.Refused, Instance: o.Instance})
	}
	return p.use(o, order.InstanceClaimed)
}

func (a *Agent) say(certificate, step, text string) {
	a.observe(Progress{At: wallClock(), Certificate: certificate, Step: step, Text: text})
}
