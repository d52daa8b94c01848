package share

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// Offer publishes what this host serves, where it is newer than what the fleet has. It is
// called before the installation, so that this host is one of the canaries. Others wait for
// what cannot be published: again is when to look again; zero: it need not be sooner.
func (p *Pass) Offer(ctx context.Context, s state.Snapshot) (again time.Time) {
	if p == nil || p.unread != nil || !p.offers(s) {
		return time.Time{}
	}
	r, err := p.rollout(ctx, s.Config.Name)
	published := r.By == p.book.host() && r.Version.ID == s.Current
	if err != nil || !ahead(s, r) && !published {
		return time.Time{}
	}
	b, err := bundle.Load(s.Store.Path(s.Current))
	switch {
	case err != nil:
	case published:
		err = p.repair(ctx, r, b)
	default:
		err = p.publish(ctx, s, b)
	}
	if err == nil || ctx.Err() != nil {
		return time.Time{}
	}
	p.share.host.Log.Warn("cannot publish to the fleet; the next look does", "certificate", s.Config.Name, "error", err)
	return state.Now().Add(p.again)
}

// offers says that the current version is one for others, too.
func (p *Pass) offers(s state.Snapshot) bool {
	whole := s.Current != "" && s.Current == s.Newest && s.Broken == nil && s.Rollout.Held == ""
	return whole && !s.Config.Follow && s.Due(state.Now()) == ""
}

func (p *Pass) publish(ctx context.Context, s state.Snapshot, b *bundle.Bundle) error {
	if err := b.Verify(s.Config.Domains, state.Now()); err != nil {
		return err
	}
	r, err := p.share.change(ctx, s.Config.Name, func(r fleet.Rollout) (fleet.Rollout, error) {
		if !ahead(s, r) {
			return r, errNothing // another host was sooner
		}
		return p.share.fleet.Publish(ctx, r, p.publication(s, b))
	})
	if err == nil && r.Version.ID == s.Current {
		p.share.host.Say(s.Config.Name, state.StepFleet, "published version "+s.Current+" to the fleet")
	}
	return err
}

// repair looks after what this host has published: a host that joins needs it, however long
// ago that was.
func (p *Pass) repair(ctx context.Context, r fleet.Rollout, b *bundle.Bundle) error {
	repaired, err := p.share.fleet.Repair(ctx, r, b)
	if repaired {
		p.share.host.Say(r.Name, state.StepFleet, "published version "+r.Version.ID+" once more: what etcd held of it was damaged")
	}
	return err
}

func (p *Pass) publication(s state.Snapshot, b *bundle.Bundle) fleet.Publication {
	tries := p.share.host.Config.Fleet.Canaries > 0 && len(s.Config.Deploy) > 0
	return fleet.Publication{Bundle: b, By: p.book.host(), At: state.Now().UTC(), Try: tries}
}

// ErrAlone says that this host has no fleet.
var ErrAlone = state.Misuse(hint.Add(errors.New("this host is alone"), "add [fleet] to the configuration, on all hosts that share certificates"))

// Lacks says that the newest version is published, and that this host has an older one.
func (p *Pass) Lacks(ctx context.Context, s state.Snapshot) bool {
	if p == nil || s.Current == "" {
		return false
	}
	r, err := p.rollout(ctx, s.Config.Name)
	return err == nil && r.Known() && !r.RolledBack() && later(r.Version, s)
}

// RollBack publishes a version of this host, which must have a fleet, as the one that
// all hosts are to go back to.
func (p *Pass) RollBack(ctx context.Context, s state.Snapshot, version string) error {
	b, err := bundle.Load(s.Store.Path(version))
	if err != nil {
		return err
	}
	publication := p.publication(s, b)
	publication.Newest = s.Leaf
	r, err := p.share.change(ctx, s.Config.Name, func(r fleet.Rollout) (fleet.Rollout, error) {
		return p.share.fleet.Publish(ctx, r, publication)
	})
	if err != nil {
		return err
	}
	return p.book.follow(s.Config.Name, r.ID)
}

// Installed tells the fleet how this host fares with its current version, after its
// installation: rolled is the version that every target was seen to hold and serve. Others
// may wait for that: again is as of Offer.
func (p *Pass) Installed(ctx context.Context, s state.Snapshot, rolled string, o state.Outcome) (again time.Time) {
	if p == nil {
		return time.Time{}
	}
	name := s.Config.Name
	p.serves(name, rolled)
	r, err := p.rollout(ctx, name)
	if err != nil || s.Current == "" || r.Version.ID != s.Current {
		return time.Time{}
	}
	before, trying := r.Tries[p.book.host()]
	switch {
	case !trying:
	case rolled == s.Current && before.State != fleet.Served:
		err = p.note(ctx, name, r.ID, fleet.Served, "")
	case rolled != s.Current && o.Class >= state.NotServed && o.Err != nil && before.State != fleet.Failed:
		err = p.note(ctx, name, r.ID, fleet.Failed, o.Err.Error())
	}
	if err == nil || ctx.Err() != nil {
		return time.Time{}
	}
	p.share.host.Log.Warn("cannot tell the fleet how a version fares; the next look does", "certificate", name, "error", err)
	return state.Now().Add(p.again)
}

// serves notes what End registers.
func (p *Pass) serves(name, version string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served[name] = version
}

// note writes down how this host fares with a publication.
func (p *Pass) note(ctx context.Context, name, publication string, as fleet.TryState, why string) error {
	try := fleet.Try{At: state.Now().UTC(), State: as, Error: why}
	_, err := p.share.change(ctx, name, func(r fleet.Rollout) (fleet.Rollout, error) {
		if r.ID != publication {
			return r, errNothing
		}
		return p.share.fleet.Note(ctx, r, p.book.host(), try)
	})
	return err
}

// registeredFor is how long a host's entry says that it is there.
const registeredFor = 24 * time.Hour

// End registers what this host serves, where that has changed or etcd has forgotten it, and
// once a day.
func (p *Pass) End(ctx context.Context) {
	if p == nil || p.unread != nil || len(p.served) == 0 && !p.share.isForgotten() || ctx.Err() != nil {
		return
	}
	share := p.share
	for try := 1; ; try++ {
		err := p.register(ctx)
		if err == nil {
			return
		}
		if try == changeTries || state.Transient(err) || ctx.Err() != nil {
			share.host.Log.Warn("cannot tell the fleet what this host serves; the next look does", "error", err)
			return
		}
	}
}

func (p *Pass) register(ctx context.Context) error {
	share := p.share
	forgotten := share.isForgotten()
	if !forgotten && p.sameAs(share.told, share.told.Versions) {
		return nil
	}
	known, err := share.fleet.Host(ctx, p.book.host())
	if err != nil {
		return err
	}
	before := known.Versions
	if forgotten && share.told.Versions != nil {
		before = share.told.Versions
	}
	if !p.sameAs(known, before) {
		known.At, known.Versions = state.Now().UTC(), p.versions(before)
		if err := share.fleet.Register(ctx, known); err != nil {
			return err
		}
	}
	share.told = known
	share.remembered()
	return nil
}

// versions are what was said before of the configured certificates, and what is served now.
func (p *Pass) versions(before map[string]string) map[string]string {
	versions := map[string]string{}
	for _, c := range p.share.host.Config.Certificates {
		if version, seen := p.served[c.Name]; seen {
			versions[c.Name] = version
		} else if version, known := before[c.Name]; known {
			versions[c.Name] = version
		}
	}
	return versions
}

func (p *Pass) sameAs(known fleet.Host, before map[string]string) bool {
	return state.Now().Sub(known.At).Abs() < registeredFor && maps.Equal(known.Versions, p.versions(before))
}

// Names are the certificates of this host, for what is watched.
func (s *Share) names() []string {
	var names []string
	for _, c := range s.host.Config.Certificates {
		names = append(names, c.Name)
	}
	return slices.Sorted(slices.Values(names))
}
