package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// Trust says why a pair that somebody else put in place is not trusted, or nil.
type Trust func(ctx context.Context, s state.Snapshot, b *bundle.Bundle) error

// trustWithin bounds how long a trust is asked for: other certificates wait for
// their installation meanwhile.
const trustWithin = 10 * time.Second

// askAgain is when it is asked for again where that could not be said.
const askAgain = 30 * time.Second

// respect sees to what another tool, or a person in an emergency, has put in place
// of the current version. A newer pair that all targets hold, where nobody else
// could have put it, becomes the current version; any other newer one stays where
// it lies, and goes nowhere else. What an operator wants to be installed, or an
// order has just brought, goes in whatever is there.
func (r *Rollout) respect(ctx context.Context, c *candidate) error {
	o := c.item.Outcome
	if r.scope.Redeploy || o.Ordered || o.Did == state.WentBack || !c.drifted() {
		return nil
	}
	unfit, err := r.takeOver(ctx, c)
	if err != nil || unfit == nil {
		return err
	}
	for i, target := range c.targets {
		if len(c.drifts[i].Files) == 0 {
			continue
		}
		pair, unknown := r.newer(ctx, c, target)
		if pair != nil {
			c.left[target.ID()] = left{pair, cmp.Or(unknown, unfit), unknown != nil}
		}
	}
	return nil
}

// left is a pair that stays in a target, and why it is no version.
type left struct {
	pair    *bundle.Bundle
	why     error
	unknown bool // whether it is trusted could not be asked: it stays for this pass
}

func (c *candidate) drifted() bool {
	for _, drift := range c.drifts {
		if len(drift.Files) > 0 {
			return true
		}
	}
	return false
}

// takeOver makes a newer pair that all targets hold the current version, or says
// why it does not.
func (r *Rollout) takeOver(ctx context.Context, c *candidate) (unfit, err error) {
	s := &c.item.Snapshot
	switch {
	case s.Order != nil:
		return errors.New("an order is open"), nil
	case s.Rollout.Held != "":
		return fmt.Errorf("version %s is held", s.Rollout.Held), nil
	}
	pair, unfit := s.InPlace(state.Now())
	if pair != nil && unfit == nil {
		unfit, _ = r.trusted(ctx, *s, pair)
	}
	if pair == nil || unfit != nil {
		return unfit, nil
	}
	if err := s.TakeOver(pair); err != nil {
		return nil, err
	}
	r.host.Say(c.item.name(), state.StepDeploy, "took over the newer certificate in place, "+state.Describe(pair))
	c.bundle, c.item.Outcome.Did = pair, max(c.item.Outcome.Did, state.TookOver)
	c.drifts = deploy.InspectAll(ctx, c.targets, c.bundle)
	return nil, nil
}

// newer is the pair that stays in a target, or nil, and why it is not known whether
// it is trusted. That another one is replaced is told, since somebody wanted it
// there.
func (r *Rollout) newer(ctx context.Context, c *candidate, target deploy.Target) (pair *bundle.Bundle, unknown error) {
	s := c.item.Snapshot
	now := state.Now()
	if pair = s.Foreign(target, now); pair == nil {
		return nil, nil
	}
	older := s.Outdates(target, pair, now)
	if older == nil && s.Rollout.Targets[target.ID()].Left != pair.ID() {
		var known bool
		if older, known = r.trusted(ctx, s, pair); !known {
			return pair, older
		}
	}
	if older == nil {
		return pair, nil
	}
	r.host.Log.Warn("the pair that somebody else put in place is replaced", "certificate", c.item.name(), "target", target.String(),
		"pair", state.Describe(pair), "reason", older, "version", s.Current)
	return nil, nil
}

// trusted says why a pair is not trusted, and whether that is known: what the
// account says may not be to be had for now.
func (r *Rollout) trusted(ctx context.Context, s state.Snapshot, b *bundle.Bundle) (untrusted error, known bool) {
	ctx, cancel := context.WithTimeout(ctx, trustWithin)
	defer cancel()
	untrusted = r.trust(ctx, s, b)
	return untrusted, untrusted == nil || ctx.Err() == nil && !state.Transient(untrusted)
}

// await leaves a pair where it lies until its account can be asked.
func (c *candidate) await(l left) {
	c.item.left = true
	c.item.add(state.Outcome{Class: state.Pending, Step: state.StepDeploy, Waiting: "whether the pair in place is trusted: " + l.why.Error(),
		Next: state.Now().Add(askAgain), Retry: true})
}

// leave notes that a pair stays, and warns of it once. It is looked at again when
// it gives way.
func (r *Rollout) leave(c *candidate, target deploy.Target, l left) error {
	s := c.item.Snapshot
	c.item.left = true
	c.item.Outcome.Next = state.Sooner(c.item.Outcome.Next, s.StaysUntil(l.pair))
	known := s.Rollout.Targets[target.ID()]
	told := known.Left == l.pair.ID()
	if told && known.Failure.Text == "" {
		return nil
	}
	if !told {
		r.host.Log.Warn("a newer pair that somebody else put in place stays there", "certificate", c.item.name(), "target", target.String(),
			"pair", state.Describe(l.pair), "no_version_because", l.why, "hint", "dvagent deploy "+c.item.name()+" installs version "+s.Current)
	}
	return s.Rollout.Leave(target.ID(), l.pair.ID())
}
