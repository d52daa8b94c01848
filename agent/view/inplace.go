package view

import (
	"time"

	"dvagent/agent/state"
	"dvagent/deploy"
)

// takeOver says whether the pair in place becomes a version, or why not where
// there is none yet. It is looked at where an order would be opened, and where a
// target keeps what somebody else put there.
func takeOver(host *state.Host, s state.Snapshot, now time.Time, kept bool) (takenOver bool, warning string) {
	if s.Newest != "" && (s.Due(now) == "" && !kept || s.Rollout.Held != "" || s.Order != nil) {
		return false, ""
	}
	return host.Foresee(s, now)
}

// keeps describes the newer pair that somebody else put into a target whose files
// differ, where it stays there; "" where there is none.
func keeps(host *state.Host, s state.Snapshot, target deploy.Target, lacks []string, now time.Time) string {
	if len(lacks) == 0 {
		return ""
	}
	pair := host.Keeps(s, target, now)
	if pair == nil {
		return ""
	}
	return "a newer pair that somebody else put there, " + state.Describe(pair)
}

// keeper is the first target that keeps a newer pair of somebody else's, or nil.
func (c CertificateStatus) keeper() *DeploymentStatus {
	for i := range c.Deployments {
		if c.Deployments[i].Keeps != "" {
			return &c.Deployments[i]
		}
	}
	return nil
}
