package check

import (
	"errors"
	"fmt"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// checkInPlace warns where a certificate has no version yet and the pair that its
// targets hold will not become one; and else where a target keeps a newer pair of
// somebody else's, or this host does not trust who issued the version.
func (c *Check) checkInPlace(certificate config.Certificate, now time.Time) []Finding {
	s, err := c.host.Dir.Read(certificate)
	if err != nil {
		return nil // status says what is wrong with the state
	}
	if s.Newest != "" {
		return append(c.checkLeft(s, now), c.checkTrust(s, now)...)
	}
	if _, warning := c.host.Foresee(s, now); warning != "" {
		return []Finding{{Subject: certificate.Name, Warning: true, Err: hint.Add(errors.New(warning),
			"where its CA is to be trusted, add its root to those of this host; where the files are to stay, take the target out")}}
	}
	return nil
}

func (c *Check) checkLeft(s state.Snapshot, now time.Time) []Finding {
	var findings []Finding
	for _, target := range s.Config.Deploy {
		if pair := c.host.Keeps(s, target, now); pair != nil {
			findings = append(findings, Finding{Subject: s.Config.Name, Warning: true, Err: hint.Add(
				fmt.Errorf("%s holds a newer pair that somebody else put there, %s", target.String(), state.Describe(pair)),
				"where it is not to stay: dvagent deploy "+s.Config.Name)})
		}
	}
	return findings
}

func (c *Check) checkTrust(s state.Snapshot, now time.Time) []Finding {
	b, err := bundle.Load(s.Store.Path(s.Current))
	if err != nil {
		return nil
	}
	untrusted := b.Trusted(c.host.Roots, now)
	if untrusted == nil || !now.Before(b.Leaf.NotAfter) {
		return nil
	}
	return []Finding{{Subject: s.Config.Name, Warning: true, Err: hint.Add(
		fmt.Errorf("the current version is %s: %w", state.Describe(b), untrusted),
		"where clients do not trust it either: dvagent renew --force "+s.Config.Name)}}
}
