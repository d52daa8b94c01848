package view

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// identify says which leaf the current version has.
func (c *CertificateStatus) identify(leaf *x509.Certificate) {
	c.Fingerprint, c.Issuer, c.NotBefore, c.NotAfter = bundle.Fingerprint(leaf), leaf.Issuer.String(), leaf.NotBefore, leaf.NotAfter
}

// filesTell says that all that a status shows of a certificate whose files are in
// place is known: no probe is to be asked, and no file warned of.
func filesTell(s state.Snapshot) bool {
	return s.Leaf != nil && s.Current == s.Newest && !slices.ContainsFunc(s.Targets(), func(t deploy.Target) bool {
		return len(t.Probe) > 0 || len(t.Instead) > 0
	})
}

// inPlace is inspect where all is known to be in place, and nothing is probed.
func (c *CertificateStatus) inPlace(s state.Snapshot) {
	c.Deployed = true
	for _, target := range s.Config.Deploy {
		c.Deployments = append(c.Deployments, deploymentStatus(target, s.Rollout.Targets[target.ID()], deploy.Drift{}, nil))
	}
}

// inspect reads the targets and shakes hands with the probes.
func (c *CertificateStatus) inspect(ctx context.Context, host *state.Host, s state.Snapshot, b *bundle.Bundle, now time.Time) {
	c.Deployed = true
	probed, shown := 0, 0
	targets := s.Targets()
	for i, drift := range deploy.InspectAll(ctx, targets, b) {
		target := targets[i]
		if len(target.Probe) > 0 {
			probed++
		}
		if drift.Shown {
			shown++
		}
		c.Deployed = c.Deployed && len(drift.Files) == 0
		d := deploymentStatus(target, s.Rollout.Targets[target.ID()], drift, b)
		d.Keeps = keeps(host, s, target, d.Lacks, now)
		c.Deployments = append(c.Deployments, d)
	}
	c.Served = probed > 0 && shown == probed
}

func deploymentStatus(target deploy.Target, known rollout.Target, drift deploy.Drift, b *bundle.Bundle) DeploymentStatus {
	f := known.Failure
	d := DeploymentStatus{
		Target: target.String(), Paths: target.Paths(), Version: known.Version, Lacks: drift.Files,
		Served: drift.Shown && drift.InPlace, Warnings: drift.Warnings, Error: f.Text, Hint: f.Hint, RetryAt: f.Until,
		FailedCommand: failedCommand(f),
	}
	for _, listener := range drift.Served {
		d.Probes = append(d.Probes, probed(listener, b))
	}
	return d
}

// probed says what a listener serves, and that it is another certificate where it is: a
// date alone may be the same.
func probed(l deploy.Listener, b *bundle.Bundle) string {
	text := l.Describe(b)
	if slices.ContainsFunc(l.Handshakes, func(h deploy.Handshake) bool { return h.Err != nil || h.Fingerprint == bundle.Fingerprint(b.Leaf) }) {
		return text
	}
	return fmt.Sprintf("%s, and not version %s", text, b.ID())
}
