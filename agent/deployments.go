package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/rollout"
	"dvagent/deploy"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// install stores a bundle and makes it the current version. A hold ends with
// it.
func (p *pass) install(s standing, b *bundle.Bundle) error {
	id, err := s.store.Put(b)
	if err != nil {
		return err
	}
	if err := s.store.Switch(id); err != nil {
		return err
	}
	if s.rollout.Held == "" {
		return nil
	}
	return s.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Freed})
}

// heldByTargets is the pair that one of the targets holds already and that can
// be kept, or nil.
func (s standing) heldByTargets() *bundle.Bundle {
	for _, target := range s.Deploy {
		if b, err := deploy.Held(target); err == nil && s.fit(b) {
			return b
		}
	}
	return nil
}

// rolling is one certificate whose targets are compared with its current
// version.
type rolling struct {
	standing
	bundle  *bundle.Bundle
	owed    []Outcome // targets that wait for their next try
	targets []deploy.Target
	drifts  []deploy.Drift // of targets, in their order
	jobs    []deploy.Job
}

// rollout installs, on every target that does not hold and serve the current
// version, what it lacks. Targets of all certificates that share a reload are
// reloaded once.
func (p *pass) rollout(ctx context.Context, standings []standing, outcomes []Outcome) {
	p.tellNobody(standings, hooks.Issued)
	all := make([]*rolling, len(standings))
	for i, s := range standings {
		switch {
		case s.current == "":
		case ctx.Err() != nil: // what is in place was not looked at
			outcomes[i] = outcomes[i].and(Outcome{Class: Pending, Step: stepDeploy, Waiting: interrupted})
		default:
			all[i] = p.begin(s, &outcomes[i])
		}
	}
	inspect(ctx, all)
	var jobs []deploy.Job
	for i, r := range all {
		if r == nil {
			continue
		}
		if err := p.contained(r.Name, func() error { return p.compare(ctx, r) }); err != nil {
			outcomes[i], all[i] = outcomes[i].and(outcomeOf(r.Name, err)), nil
			continue
		}
		jobs = append(jobs, r.jobs...)
	}
	results := map[string][]deploy.Result{}
	for _, result := range deploy.Install(ctx, jobs) {
		results[result.Job.Certificate] = append(results[result.Job.Certificate], result)
	}
	// Hooks come last: however long one takes, what is issued is in place.
	for i, s := range standings {
		if s.current != "" && s.current == s.newest && ctx.Err() == nil {
			outcomes[i] = outcomes[i].and(p.tell(ctx, s, hooks.Issued, false))
		}
		r := all[i]
		if r == nil {
			continue
		}
		var outcome Outcome
		err := p.contained(r.Name, func() (err error) {
			outcome, err = p.conclude(ctx, r, results[r.Name])
			return err
		})
		outcomes[i] = outcomes[i].and(outcome).and(outcomeOf(r.Name, err))
	}
}

// begin finds the targets to be compared with the current version; nil when
// there is none to install on.
func (p *pass) begin(s standing, outcome *Outcome) (r *rolling) {
	var err error
	switch {
	case len(s.Deploy) > 0:
		err = p.contained(s.Name, func() (err error) {
			r, err = p.roll(s)
			return err
		})
	case outcome.Ordered:
		err = s.prune()
	}
	*outcome = outcome.and(outcomeOf(s.Name, err))
	return r
}

func (p *pass) roll(s standing) (*rolling, error) {
	r := &rolling{standing: s}
	var err error
	if r.bundle, err = bundle.Load(s.store.Path(s.current)); err != nil {
		return nil, err
	}
	for _, target := range s.Deploy {
		if owed := p.heldUp(s.rollout.Targets[target.ID()]); owed != nil {
			r.owed = append(r.owed, *owed)
		} else {
			r.targets = append(r.targets, target)
		}
		p.moved()
	}
	return r, nil
}

// inspectedAtOnce bounds the certificates whose targets are read and probed
// side by side. A probe that nobody answers takes seconds.
const inspectedAtOnce = 128

func inspect(ctx context.Context, all []*rolling) {
	var group errgroup.Group
	group.SetLimit(inspectedAtOnce)
	for _, r := range all {
		if r != nil {
			group.Go(func() error {
				r.drifts = deploy.InspectAll(ctx, r.targets, r.bundle)
				return nil
			})
		}
	}
	_ = group.Wait() // what cannot be read or reached is a drift
}

// compare decides which targets of a certificate are installed, and notes that
// their installation begins.
func (p *pass) compare(ctx context.Context, r *rolling) error {
	for i, target := range r.targets {
		if ctx.Err() != nil { // it was not looked at to the end
			r.owed = append(r.owed, Outcome{Class: Pending, Step: stepDeploy, Waiting: interrupted})
			return nil
		}
		if err := p.compareOne(r, target, r.drifts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) compareOne(r *rolling, target deploy.Target, drift deploy.Drift) error {
	id := target.ID()
	state := r.rollout.Targets[id]
	// A reload that was begun and not seen to end has to run again, where no
	// probe can tell.
	unfinished := state.Started != "" && len(target.Probe) == 0
	redeploy := p.redeploy && p.has(r.Name)
	if !unfinished && !redeploy && drift.InPlace {
		if state.Version == r.current && state.Error == "" {
			return nil
		}
		return r.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Deployed, Target: id, Version: r.current})
	}
	r.jobs = append(r.jobs, deploy.Job{
		Certificate: r.Name, Target: target, Bundle: r.bundle, Force: unfinished || redeploy,
		Originals: filepath.Join(p.dir(r.Name), "before"), Known: r.store.Has,
	})
	p.observe(Progress{At: wallClock(), Certificate: r.Name, Step: stepDeploy, Text: "installing at " + target.String(), Begun: true})
	return r.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Started, Target: id, Version: r.current})
}

// heldUp says whether an earlier failure keeps a target from being tried now.
func (p *pass) heldUp(state rollout.Target) *Outcome {
	if state.Error == "" || !stillHeld(state.Until) || state.FailedAt.Before(p.since) {
		return nil
	}
	return &Outcome{Class: NotServed, Step: stepDeploy, Next: state.Until, Err: hint.Add(errors.New(state.Error), state.Hint)}
}

// What stands for the rollout where a step is named.
const (
	stepDeploy = "deploy"
	stepHook   = "hook"
)

// conclude records how the installations ended and tells the hooks.
func (p *pass) conclude(ctx context.Context, r *rolling, results []deploy.Result) (Outcome, error) {
	outcome := Outcome{Certificate: r.Name}
	for _, owed := range r.owed {
		outcome = outcome.and(owed)
	}
	for _, result := range results {
		one, err := p.concludeOne(ctx, r, result)
		if err != nil {
			return outcome, err
		}
		outcome = outcome.and(one)
	}
	if outcome.Class != Served {
		return outcome, nil
	}
	outcome = outcome.and(p.tell(ctx, r.standing, hooks.Deployed, len(results) > 0))
	if len(results) == 0 {
		return outcome, nil
	}
	return outcome, r.prune()
}

func (p *pass) concludeOne(ctx context.Context, r *rolling, result deploy.Result) (Outcome, error) {
	id := result.Job.Target.ID()
	if result.Originals != "" {
		p.say(r.Name, stepDeploy, "kept the files that were there in "+result.Originals)
	}
	for _, warning := range result.Warnings {
		p.log.Warn(warning, "certificate", r.Name, "target", result.Job.Target.String())
	}
	if result.Err == nil {
		p.say(r.Name, stepDeploy, served(result))
		fact := rollout.Fact{At: wallClock(), Kind: rollout.Deployed, Target: id, Version: r.current}
		return Outcome{Certificate: r.Name}, r.rollout.Record(fact)
	}
	news := !sameFailure(r.rollout.Targets[id].Error, result.Err)
	outcome, err := p.owe(ctx, r.standing, id, result.Err)
	if news && ctx.Err() == nil {
		p.tellFailure(ctx, r.standing, result.Err)
	}
	return outcome, err
}

// owe records that a target failed, and when it is tried again.
func (p *pass) owe(ctx context.Context, s standing, target string, cause error) (Outcome, error) {
	outcome := Outcome{Certificate: s.Name, Class: NotServed, Step: stepDeploy, Err: cause}
	if ctx.Err() != nil {
		return outcome, nil
	}
	state := s.rollout.Targets[target]
	leaf, _ := bundle.LoadLeaf(s.store.Path(state.Version)) // as far as is known
	outcome.Next = wallClock().Add(beforeEmergency(backoff(state.Failures, cause), leaf, wallClock()))
	p.observe(Progress{At: wallClock(), Certificate: s.Name, Step: stepDeploy, Err: cause})
	return outcome, s.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Failed, Target: target, Version: s.current,
		Error: cause.Error(), Hint: hint.Of(cause), Until: outcome.Next, Command: failedCommand(cause)})
}

// failedCommand is the check, reload or hook that an error is about, or nil.
func failedCommand(cause error) *rollout.Command {
	var failure *command.Failure
	if !errors.As(cause, &failure) {
		return nil
	}
	return &rollout.Command{Program: failure.Program, ExitCode: failure.ExitCode, Output: failure.Output}
}

func served(result deploy.Result) string {
	if len(result.Served) == 0 {
		return "installed at " + result.Job.Target.String()
	}
	return fmt.Sprintf("installed at %s; %s", result.Job.Target.String(), result.Served[0].Describe(result.Job.Bundle))
}

// prune drops old versions that no target uses.
func (s standing) prune() error {
	return s.store.Prune(versionsKept, func(id string) bool {
		for _, target := range s.rollout.Targets {
			if target.Version == id {
				return true
			}
		}
		return id == s.rollout.Held
	})
}
