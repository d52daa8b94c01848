package agent

import (
	"crypto/x509"
	"fmt"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/internal/bundle"
)

// standing is what the disk says of one certificate.
type standing struct {
	config.Certificate
	store   *bundle.Store
	current string            // the version that `current` points at, or empty
	newest  string            // the newest stored version, or empty
	leaf    *x509.Certificate // of the newest
	broken  error             // why the newest version cannot be served
	order   *order.Order      // the open one, or nil
	rollout *rollout.Rollout
}

// read looks at a certificate's directory and at nothing else. Without a hold,
// the current version is the newest one, and the others are not listed.
func (a *Agent) read(certificate config.Certificate) (standing, error) {
	s := standing{Certificate: certificate, store: a.store(certificate.Name)}
	var err error
	dir := a.dir(certificate.Name)
	if s.order, err = order.Load(dir); err != nil {
		return s, fmt.Errorf("read the order of %s: %w", certificate.Name, err)
	}
	if s.rollout, err = rollout.Load(dir); err != nil {
		return s, fmt.Errorf("read the rollout of %s: %w", certificate.Name, err)
	}
	if s.current, err = s.store.Current(); err != nil {
		s.current = "" // to be repaired from the versions, which are still there
	}
	s.newest = s.current
	if s.current == "" || s.rollout.Held != "" {
		versions, err := s.store.Versions()
		if err != nil {
			return s, fmt.Errorf("read the versions of %s: %w", certificate.Name, err)
		}
		if len(versions) > 0 {
			s.newest = versions[0]
		}
	}
	if s.newest == "" {
		return s, nil
	}
	version := s.store.Path(s.newest)
	if s.leaf, err = bundle.LoadLeaf(version); err == nil {
		err = bundle.KeyMatches(version, s.leaf)
	}
	s.broken = err
	return s, nil
}

// lifetime is how long a leaf lives altogether.
func lifetime(leaf *x509.Certificate) time.Duration { return leaf.NotAfter.Sub(leaf.NotBefore) }

// remaining is how long the leaf is still valid; it is negative afterwards.
func remaining(leaf *x509.Certificate, now time.Time) time.Duration { return leaf.NotAfter.Sub(now) }
