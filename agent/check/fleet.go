package check

import (
	"context"
	"fmt"
	"slices"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/words"
)

// fleet asks etcd for what the hosts share, and tries to open it. It changes nothing.
func (c *Check) fleet(ctx context.Context) []Finding {
	settings := c.host.Config.Fleet
	if settings.Alone() {
		return nil
	}
	const subject = "fleet"
	f := fleet.New(settings)
	defer f.Close()
	if _, err := f.Seal("check", nil); err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	rollouts, _, err := f.Rollouts(ctx)
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	hosts, err := f.Hosts(ctx)
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	if err := c.permitted(ctx, f); err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	findings := []Finding{{Subject: subject, OK: fmt.Sprintf("etcd answers; it knows %s", words.Count(len(hosts), "host"))}}
	for _, certificate := range c.host.Config.Certificates {
		r := rollouts[certificate.Name]
		if !r.Known() {
			continue
		}
		findings = append(findings, c.published(ctx, f, r, certificate.Domains))
	}
	return findings
}

// permitted asks etcd whether it would take what this host has to write: one certificate
// stands for all, for roles are given by prefix.
func (c *Check) permitted(ctx context.Context, f *fleet.Fleet) error {
	certificates := c.host.Config.Certificates
	if len(certificates) == 0 {
		return nil
	}
	orders := slices.IndexFunc(certificates, func(one config.Certificate) bool { return !one.Follow })
	return f.Permits(ctx, certificates[max(orders, 0)].Name, orders >= 0)
}

// published looks at what a host would take.
func (c *Check) published(ctx context.Context, f *fleet.Fleet, r fleet.Rollout, domains []string) Finding {
	b, err := f.Bundle(ctx, r)
	if err == nil {
		err = b.Verify(domains, state.Now())
	}
	if err != nil {
		return Finding{Subject: r.Name, Err: err, Warning: true}
	}
	return Finding{Subject: r.Name, OK: fmt.Sprintf("the fleet has version %s, valid until %s", r.Version.ID, words.Date(r.Version.NotAfter))}
}
