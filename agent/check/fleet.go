package check

import (
	"context"
	"fmt"

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
