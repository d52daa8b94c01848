package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/rollout"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// tell runs the hooks of an event about the current version, once, or again
// when asked to. A hook that fails is owed like a deployment: it is run again
// later.
func (p *pass) tell(ctx context.Context, s standing, event string, again bool) Outcome {
	state := s.rollout.Targets[event]
	if state.Version == s.current && state.Error == "" && !again {
		return Outcome{Certificate: s.Name}
	}
	if owed := p.heldUp(state); owed != nil {
		owed.Step = stepHook
		return *owed
	}
	err := p.runHooks(ctx, s, event, state.Version, nil)
	if err != nil {
		outcome, recordErr := p.owe(ctx, s, event, err)
		outcome.Step = stepHook
		outcome.Err = also(outcome.Err, recordErr)
		return outcome
	}
	err = s.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Told, Target: event, Version: s.current})
	if err != nil {
		return failed(s.Name, err)
	}
	return Outcome{Certificate: s.Name}
}

// tellNobody notes the versions that are new where no hook listens, so that one
// that is configured later is not run for them. The disk takes many notes at
// once sooner than one after the other.
func (p *pass) tellNobody(standings []standing, event string) {
	if slices.ContainsFunc(p.config.Hooks, func(h hooks.Hook) bool { return slices.Contains(h.On, event) }) {
		return
	}
	var group errgroup.Group
	group.SetLimit(inspectedAtOnce)
	for _, s := range standings {
		if s.current == "" || s.current != s.newest || s.rollout.Targets[event].Version == s.current || s.rollout.Targets[event].Error != "" {
			continue
		}
		group.Go(func() error {
			return s.rollout.Record(rollout.Fact{At: wallClock(), Kind: rollout.Told, Target: event, Version: s.current})
		})
	}
	_ = group.Wait() // tell tries again what failed, and says why
}

// tellFailure runs the hooks of "failed". That one of them fails too is logged
// and shown by status; it is not owed.
func (p *pass) tellFailure(ctx context.Context, s standing, cause error) {
	err := p.runHooks(ctx, s, hooks.Failed, "", cause)
	if err != nil {
		p.log.Warn("a hook failed", "certificate", s.Name, "event", hooks.Failed, "error", err)
	}
	fact := rollout.Fact{At: wallClock(), Kind: rollout.Told, Target: hooks.Failed}
	switch {
	case ctx.Err() != nil || err == nil && s.rollout.Targets[hooks.Failed].Error == "":
		return
	case err != nil:
		fact.Kind, fact.Error, fact.Command = rollout.Failed, err.Error(), failedCommand(err)
	}
	if err := s.rollout.Record(fact); err != nil {
		p.log.Warn("cannot note how a hook ended", "certificate", s.Name, "error", err)
	}
}

// runHooks runs the hooks that listen to the event and returns the first
// failure. One that hung is not run again in this pass: the certificates would
// wait for it one after the other.
func (p *pass) runHooks(ctx context.Context, s standing, event, previous string, cause error) (first error) {
	defer p.moved()
	told := p.event(s, event, previous, cause)
	for _, hook := range p.config.Hooks {
		err := p.runHook(ctx, hook, told)
		if err != nil && first == nil {
			first = hint.Add(fmt.Errorf("hook of event %s: %w", event, err),
				"mend the hook; it is run again by itself, or by dvagent renew")
		}
	}
	return first
}

func (p *pass) runHook(ctx context.Context, hook hooks.Hook, told hooks.Event) error {
	key := strings.Join(hook.Command, "\x00")
	if _, hung := p.hung.Load(key); hung && slices.Contains(hook.On, told.Name) {
		return errHung
	}
	begun := time.Now()
	results := hooks.Run(ctx, []hooks.Hook{hook}, told)
	if len(results) == 0 {
		return nil // it does not listen
	}
	err := results[0].Err
	if err != nil && time.Since(begun) >= hook.Limit() {
		p.hung.Store(key, true)
	}
	return err
}

// errHung is why a hook was not run.
var errHung = errors.New("not run, since it ran longer than its time limit a moment ago")

func (p *pass) event(s standing, event, previous string, cause error) hooks.Event {
	e := hooks.Event{Name: event, Certificate: s.Name, Domains: s.Domains}
	if s.current != "" {
		e.VersionDir = s.store.Path(s.current)
		if leaf, err := bundle.LoadLeaf(e.VersionDir); err == nil {
			e.Fingerprint, e.NotAfter = bundle.Fingerprint(leaf), leaf.NotAfter
		}
	}
	if previous != "" && previous != s.current {
		if leaf, err := bundle.LoadLeaf(s.store.Path(previous)); err == nil {
			e.PreviousFingerprint = bundle.Fingerprint(leaf)
		}
	}
	if cause != nil {
		e.Error = cause.Error()
	}
	return e
}
