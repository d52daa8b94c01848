package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"dvagent/internal/words"

	"dvagent/agent/config"
	"dvagent/agent/install"
	"dvagent/agent/share"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// Redeployment is what Deploy is asked to do.
type Redeployment struct {
	Names  []string // none: every certificate
	Latest bool     // end a hold: the newest version becomes current first
	Caller state.Caller
}

// Deploy installs the current versions again, whatever is in place, and runs
// the hooks.
func (a *Agent) Deploy(ctx context.Context, r Redeployment) ([]state.Outcome, error) {
	names, err := a.host.Selected(r.Names)
	if err != nil {
		return nil, err
	}
	var outcomes []state.Outcome
	err = a.underLock(ctx, r.Caller, redeploy(), func(ctx context.Context, p *pass) error {
		outcomes = p.deploy(ctx, names, r.Latest)
		return nil
	})
	return outcomes, err
}

func redeploy() state.Scope { return state.Scope{Since: state.Now(), Redeploy: true} }

// deploy makes the rollout of the named certificates, and orders nothing.
func (p *pass) deploy(ctx context.Context, names map[string]bool, latest bool) []state.Outcome {
	var items []*install.Item
	for _, certificate := range p.agent.host.Config.Certificates {
		if !names[certificate.Name] {
			continue
		}
		s, err := p.agent.deployable(certificate, latest)
		outcome := state.Outcome{Certificate: certificate.Name}.AndFailed(err)
		items = append(items, p.rollout.NewItem(s, outcome))
	}
	p.installAll(ctx, items)
	for _, item := range items {
		p.share.Installed(ctx, item.Snapshot, item.Rolled(), item.Outcome)
		p.rollout.Add(item, p.uploads.Upload(ctx, item.Snapshot))
	}
	p.share.End(ctx)
	p.rollout.RunHooks(ctx, items)
	outcomes := make([]state.Outcome, len(items))
	for i, item := range items {
		outcomes[i] = item.Outcome
	}
	return outcomes
}

// installAll installs them side by side.
func (p *pass) installAll(ctx context.Context, items []*install.Item) {
	var all sync.WaitGroup
	for _, item := range items {
		joined := p.rollout.Expect()
		all.Go(func() {
			defer joined()
			p.rollout.Install(ctx, item, joined)
		})
	}
	all.Wait()
}

// deployable reads the certificate, and makes the newest version current when
// asked to, or when none is.
func (a *Agent) deployable(certificate config.Certificate, latest bool) (state.Snapshot, error) {
	s, err := a.host.Dir.Read(certificate)
	if err != nil {
		return s, err
	}
	if s.Newest != "" && (s.Current == "" || latest) {
		if err := s.Store.Switch(s.Newest); err != nil {
			return s, err
		}
		s.Current = s.Newest
		if err := s.Free(); err != nil {
			return s, err
		}
	}
	if s.Current == "" {
		return s, hint.Add(errors.New("there is no version to deploy yet"), "dvagent renew "+certificate.Name)
	}
	return s, nil
}

// Rollback makes a version current, the one before the current one where none is
// named, holds it, and deploys it.
func (a *Agent) Rollback(ctx context.Context, name, version string, caller state.Caller) (state.Outcome, error) {
	return a.rollback(ctx, name, caller, func(ctx context.Context, p *pass) error {
		s, version, err := a.before(name, version, false)
		if err != nil {
			return err
		}
		return a.rollBack(s, version)
	})
}

// RollbackFleet is Rollback on all hosts of the fleet: this one is a canary of it, and may
// have been rolled back there before, alone. Where the fleet cannot be told, nothing is
// rolled back.
func (a *Agent) RollbackFleet(ctx context.Context, name, version string, caller state.Caller) (state.Outcome, error) {
	if a.share == nil {
		return state.Outcome{Certificate: name}, share.ErrAlone
	}
	return a.rollback(ctx, name, caller, func(ctx context.Context, p *pass) error {
		s, version, err := a.beforeOfFleet(ctx, p, name, version)
		if err == nil {
			err = p.share.RollBack(ctx, s, version)
		}
		if err != nil {
			return err
		}
		return a.rollBack(s, version)
	})
}

func (a *Agent) rollback(ctx context.Context, name string, caller state.Caller, do func(context.Context, *pass) error) (state.Outcome, error) {
	names, err := a.host.Selected([]string{name})
	if err != nil {
		return state.Outcome{}, err
	}
	outcome := state.Outcome{Certificate: name}
	err = a.underLock(ctx, caller, redeploy(), func(ctx context.Context, p *pass) error {
		if err := do(ctx, p); err != nil {
			return err
		}
		outcome = p.deploy(ctx, names, false)[0]
		return nil
	})
	return outcome, err
}

// before is the version to roll back to: the one before the current one, where none is
// named. again allows the one that is held already to be named.
func (a *Agent) before(name, version string, again bool) (state.Snapshot, string, error) {
	certificate, _ := a.host.Config.Certificate(name)
	s, err := a.host.Dir.Read(certificate)
	if err != nil {
		return s, "", err
	}
	switch {
	case version == "":
		version, err = s.Store.Previous()
	case !again || version != s.Rollout.Held:
		err = a.checkTarget(s, version)
	}
	switch {
	case err != nil:
		return s, "", err
	case version == "":
		return s, "", fmt.Errorf("%s has no version before the current one", name)
	}
	return s, version, usable(s, version)
}

// beforeOfFleet is before for the fleet: where this host does not have what was published,
// that is what is taken back, and all go where this host is.
func (a *Agent) beforeOfFleet(ctx context.Context, p *pass, name, version string) (state.Snapshot, string, error) {
	certificate, _ := a.host.Config.Certificate(name)
	s, err := a.host.Dir.Read(certificate)
	if err == nil && version == "" && p.share.Lacks(ctx, s) {
		return s, s.Current, usable(s, s.Current)
	}
	return a.before(name, version, true)
}

func (a *Agent) rollBack(s state.Snapshot, version string) error {
	if err := s.Rollout.Hold(version); err != nil {
		return err
	}
	a.host.Say(s.Config.Name, state.StepDeploy, "rolled back to version "+version)
	return s.Store.Switch(version)
}

// checkTarget refuses a version that is not kept, or that there is no way back to.
func (a *Agent) checkTarget(s state.Snapshot, version string) error {
	ids, err := s.Store.Versions()
	switch {
	case err != nil:
		return err
	case !slices.Contains(ids, version):
		return state.Misuse(hint.Add(fmt.Errorf("%s has no version %q", s.Config.Name, version), "dvagent status "+s.Config.Name+" lists those that are kept"))
	case version == s.Current:
		return state.Misuse(fmt.Errorf("%s has version %s as its current one", s.Config.Name, version))
	case version == s.Newest:
		return state.Misuse(hint.Add(fmt.Errorf("version %s is the newest of %s", version, s.Config.Name), "dvagent deploy --latest "+s.Config.Name))
	}
	return nil
}

// usable refuses a version that cannot be served now.
func usable(s state.Snapshot, version string) error {
	leaf, err := bundle.LoadLeaf(s.Store.Path(version))
	if err == nil {
		err = bundle.KeyMatches(s.Store.Path(version), leaf)
	}
	if err != nil {
		return fmt.Errorf("version %s cannot be used: %w", version, err)
	}
	if state.Now().After(leaf.NotAfter) {
		return fmt.Errorf("version %s expired on %s", version, words.Date(leaf.NotAfter))
	}
	return nil
}

// adopt takes over the order that an operator names.
func (a *Agent) adopt(ctx context.Context, r Renewal) error {
	certificate, _ := a.host.Config.Certificate(r.Names[0])
	return a.underLock(ctx, r.Caller, state.Scope{Alone: r.Alone}, func(ctx context.Context, p *pass) error {
		s, err := a.host.Dir.Read(certificate)
		if err != nil {
			return err
		}
		return p.desk.Adopt(ctx, s, r.Adopt)
	})
}

// Abandon gives up the open order of a certificate, which may be gone from the
// configuration. The outcome is Pending when a record is still to be removed.
func (a *Agent) Abandon(ctx context.Context, name string, caller state.Caller) (state.Outcome, error) {
	outcome := state.Outcome{Certificate: name}
	_, configured := a.host.Config.Certificate(name)
	known := configured || a.share != nil || a.host.Dir.Has(name) // another host of the fleet may have its order
	if !config.IsName(name) || !known {
		return outcome, a.host.Unknown(name)
	}
	err := a.underLock(ctx, caller, state.Scope{}, func(ctx context.Context, p *pass) (err error) {
		outcome, err = p.desk.Abandon(ctx, name)
		return err
	})
	return outcome, err
}
