package agent

import (
	"context"
	"errors"
	"fmt"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// ConfiguredError says that a certificate is configured and cannot be forgotten.
type ConfiguredError struct{ Name string }

func (e *ConfiguredError) Error() string { return e.Name + " is configured" }

// Misuse is for state.IsMisuse.
func (e *ConfiguredError) Misuse() {}

// OperatorHint is for package hint.
func (e *ConfiguredError) OperatorHint() string {
	return "take its [[certificate]] out of the configuration first"
}

// Forget removes all that is kept of a certificate that is not configured any
// more. While something is owed, force gives that up.
func (a *Agent) Forget(ctx context.Context, name string, force bool, caller state.Caller) (state.Outcome, error) {
	outcome := state.Outcome{Certificate: name}
	if _, configured := a.host.Config.Certificate(name); configured {
		return outcome, &ConfiguredError{name}
	}
	if !config.IsName(name) || !a.host.Dir.Has(name) {
		return outcome, &state.UnknownError{Name: name}
	}
	err := a.underLock(ctx, caller, state.Scope{}, func(ctx context.Context, p *pass) (err error) {
		if owing := errors.Join(p.desk.Owing(name)...); owing != nil && !force {
			return hint.Add(fmt.Errorf("%s: %w", name, owing), fmt.Sprintf("dvagent abandon %s gives the order up and removes its records; "+
				"--force does so, too, and removes the keys: what is issued then can be used by nobody", name))
		}
		outcome, err = p.desk.Forget(ctx, name)
		outcome.Did = state.Forgot
		return err
	})
	return outcome, err
}

// Import makes a pair from elsewhere the current version of a certificate, where
// it could be taken over from the targets, and deploys it.
func (a *Agent) Import(ctx context.Context, name string, pair *bundle.Bundle, caller state.Caller) (state.Outcome, error) {
	names, err := a.host.Selected([]string{name})
	if err != nil {
		return state.Outcome{}, err
	}
	outcome := state.Outcome{Certificate: name}
	err = a.underLock(ctx, caller, redeploy(), func(ctx context.Context, p *pass) error {
		certificate, _ := a.host.Config.Certificate(name)
		s, err := a.host.Dir.Read(certificate)
		if err != nil {
			return err
		}
		unfit := s.Unfit(pair, state.Now())
		if unfit == nil {
			unfit = p.desk.Trusts(ctx, s, pair)
		}
		if unfit != nil {
			return fmt.Errorf("the pair %s cannot be used for %s: %w", state.Describe(pair), name, unfit)
		}
		if err := s.Keep(pair); err != nil {
			return err
		}
		a.host.Say(name, state.StepDeploy, "imported as version "+s.Current)
		outcome = p.deploy(ctx, names, false)[0]
		outcome.Did, outcome.Next = state.Imported, s.RenewsAt()
		return nil
	})
	return outcome, err
}
