package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// underLock does one thing that an operator asked for.
func (a *Agent) underLock(ctx context.Context, wait time.Duration, who string, s scope, do func(*pass) error) error {
	lock, err := a.lock(ctx, wait, who)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	p, err := a.newPass(s)
	if err != nil {
		return err
	}
	return do(p)
}

// Redeployment is what Deploy is asked to do.
type Redeployment struct {
	Names    []string // none: every certificate
	Latest   bool     // end a hold: the newest version becomes current first
	LockWait time.Duration
	Who      string
}

// Deploy installs the current versions again, whatever is in place, and runs
// the hooks.
func (a *Agent) Deploy(ctx context.Context, r Redeployment) ([]Outcome, error) {
	names, err := a.selected(r.Names)
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	err = a.underLock(ctx, r.LockWait, r.Who, scope{names: names, since: wallClock(), redeploy: true}, func(p *pass) error {
		for name := range names {
			if err := p.latest(name, r.Latest); err != nil {
				outcomes = append(outcomes, failed(name, err))
			}
		}
		outcomes = merged(append(outcomes, p.deployOnly(ctx)...))
		return nil
	})
	return outcomes, err
}

// deployOnly makes the rollout of what is in scope, and orders nothing.
func (p *pass) deployOnly(ctx context.Context) []Outcome {
	certificates := p.inScope()
	standings := make([]standing, len(certificates))
	outcomes := make([]Outcome, len(certificates))
	for i, certificate := range certificates {
		s, err := p.read(certificate)
		if err == nil && s.current == "" {
			err = hint.Add(errors.New("there is no version to deploy yet"), "dvagent renew "+certificate.Name)
		}
		if err != nil {
			outcomes[i] = failed(certificate.Name, err)
			continue
		}
		standings[i], outcomes[i] = s, Outcome{Certificate: certificate.Name}
	}
	p.rollout(ctx, standings, outcomes)
	return outcomes
}

// latest makes the newest version current when asked to, or when none is.
func (p *pass) latest(name string, wanted bool) error {
	certificate, _ := p.config.Certificate(name)
	s, err := p.read(certificate)
	if err != nil || s.newest == "" || s.current != "" && !wanted {
		return err
	}
	if err := s.store.Switch(s.newest); err != nil || s.rollout.Held == "" {
		return err
	}
	return s.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Freed})
}

// Rollback makes the version before the current one current, holds it, and
// deploys it.
func (a *Agent) Rollback(ctx context.Context, name string, lockWait time.Duration, who string) (Outcome, error) {
	names, err := a.selected([]string{name})
	if err != nil {
		return Outcome{}, err
	}
	outcome := Outcome{Certificate: name}
	err = a.underLock(ctx, lockWait, who, scope{names: names, since: wallClock(), redeploy: true}, func(p *pass) error {
		if err := p.rollBack(name); err != nil {
			return err
		}
		outcome = p.deployOnly(ctx)[0]
		return nil
	})
	return outcome, err
}

func (p *pass) rollBack(name string) error {
	store := p.store(name)
	previous, err := store.Previous()
	if err != nil {
		return err
	}
	if previous == "" {
		return fmt.Errorf("%s has no version before the current one", name)
	}
	leaf, err := bundle.LoadLeaf(store.Path(previous))
	if err == nil {
		err = bundle.KeyMatches(store.Path(previous), leaf)
	}
	if err != nil {
		return fmt.Errorf("the version before cannot be used: %w", err)
	}
	if wallClock().After(leaf.NotAfter) {
		return fmt.Errorf("the version before, %s, expired on %s", previous, leaf.NotAfter.Format(time.DateOnly))
	}
	rolled, err := rollout.Load(p.dir(name))
	if err != nil {
		return err
	}
	if err := rolled.Record(rollout.Fact{At: wallClock(), Kind: rollout.Held, Version: previous}); err != nil {
		return err
	}
	p.say(name, stepDeploy, "rolled back to version "+previous)
	return store.Switch(previous)
}

// Abandon gives up the open order of a certificate, which may be gone from the
// configuration. The outcome is Pending when a record is still to be removed.
func (a *Agent) Abandon(ctx context.Context, name string, lockWait time.Duration, who string) (Outcome, error) {
	outcome := Outcome{Certificate: name}
	if !config.IsName(name) {
		return outcome, &UnknownError{name}
	}
	err := a.underLock(ctx, lockWait, who, scope{names: map[string]bool{name: true}}, func(p *pass) error {
		o, err := order.Load(p.dir(name))
		if err != nil {
			return err
		}
		if o == nil {
			return hint.Add(fmt.Errorf("%s has no open order", name), "dvagent status lists the open ones")
		}
		if err := p.oweRecords(o); err != nil {
			return err
		}
		if err := p.closeOrder(o, order.Abandoned, "given up by an operator"); err != nil {
			return err
		}
		p.say(name, "", "abandoned the order")
		for _, swept := range p.sweep(ctx) {
			outcome = outcome.and(swept)
		}
		return nil
	})
	return outcome, err
}

// oweRecords makes sure that the ledger knows what the order's journal knows.
func (p *pass) oweRecords(o *order.Order) error {
	for _, record := range o.Owed() {
		kind := order.Added
		if record.RecordID == "" {
			kind = order.Adding
		}
		entry := order.OwedRecord{At: wallClock(), Kind: kind, Certificate: o.Certificate, Record: record}
		if err := p.owed.Record(entry); err != nil {
			return err
		}
	}
	return nil
}
