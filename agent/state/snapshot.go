package state

import (
	"crypto/x509"
	"fmt"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/internal/bundle"
	"dvagent/internal/journal"
)

// Snapshot is what the disk says of one certificate.
type Snapshot struct {
	Config  config.Certificate
	Store   *bundle.Store
	Current string            // the version that `current` points at, or empty
	Newest  string            // the newest stored version, or empty
	Leaf    *x509.Certificate // of the newest
	Broken  error             // why the newest version cannot be served
	Order   *order.Order      // the open one, or nil
	Rollout *rollout.Rollout

	SeenInPlace bool // its targets were seen to hold and serve the current version lately; what Read returns does not know it
}

// Read looks at a certificate's directory and at nothing else. Without a hold,
// the current version is the newest one, and the others are not listed.
func (d Dir) Read(certificate config.Certificate) (Snapshot, error) {
	dir := d.Certificate(certificate.Name)
	s := Snapshot{Config: certificate, Store: bundle.Open(dir)}
	var err error
	if s.Order, err = order.Load(dir); err != nil {
		return s, fmt.Errorf("read the order of %s: %w", certificate.Name, err)
	}
	if s.Rollout, err = rollout.Load(dir); err != nil {
		return s, fmt.Errorf("read the rollout of %s: %w", certificate.Name, err)
	}
	if s.Current, err = s.Store.Current(); err != nil {
		s.Current = "" // to be repaired from the versions, which are still there
	}
	s.Newest = s.Current
	if s.Current == "" || s.Rollout.Held != "" {
		versions, err := s.Store.Versions()
		if err != nil {
			return s, fmt.Errorf("read the versions of %s: %w", certificate.Name, err)
		}
		if len(versions) > 0 {
			s.Newest = versions[0]
		}
	}
	if s.Newest == "" {
		return s, nil
	}
	version := s.Store.Path(s.Newest)
	if s.Leaf, err = bundle.LoadLeaf(version); err == nil {
		err = bundle.KeyMatches(version, s.Leaf)
	}
	s.Broken = err
	return s, nil
}

// Damage lists the certificate's journals that have lines which cannot be read.
func (s Snapshot) Damage() []journal.Damage {
	var damage []journal.Damage
	if s.Order != nil && s.Order.Damage().Lines > 0 {
		damage = append(damage, s.Order.Damage())
	}
	if s.Rollout != nil && s.Rollout.Damage().Lines > 0 {
		damage = append(damage, s.Rollout.Damage())
	}
	return damage
}

// Keep stores a bundle and makes it the current version. A hold ends with it.
func (s *Snapshot) Keep(b *bundle.Bundle) error {
	id, err := s.Store.Put(b)
	if err != nil {
		return err
	}
	if err := s.Store.Switch(id); err != nil {
		return err
	}
	s.Leaf, s.Newest, s.Current, s.Broken = b.Leaf, id, id, nil
	return s.Free()
}

// Free ends a hold, where there is one.
func (s Snapshot) Free() error {
	if s.Rollout.Held == "" {
		return nil
	}
	return s.Rollout.Free()
}

// Relink makes a stored version current again where the link is gone or was
// replaced, as by a restored backup: the held one, or the newest that is whole.
// It returns that version, or "" when none can be used.
func (s Snapshot) Relink() (version string, err error) {
	versions, err := s.Store.Versions()
	if err != nil {
		return "", err
	}
	if s.Rollout.Held != "" {
		versions = append([]string{s.Rollout.Held}, versions...)
	}
	for _, version := range versions {
		if s.Store.Switch(version) == nil {
			return version, nil
		}
	}
	return "", nil
}

// versionsKept is how many versions of a certificate stay on disk.
const versionsKept = 5

// Prune drops old versions that no configured target uses.
func (s Snapshot) Prune() error {
	return s.Store.Prune(versionsKept, func(id string) bool {
		for _, target := range s.Config.Deploy {
			if s.Rollout.Targets[target.ID()].Version == id {
				return true
			}
		}
		return id == s.Rollout.Held
	})
}
