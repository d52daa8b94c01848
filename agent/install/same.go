package install

import (
	"context"
	"slices"

	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// same spares most looks what costs most: to decode the version, and to verify its key
// and its chain, which was done when it was stored. Where anything differs, that is
// done again before anything is written.
func (r *Rollout) same(ctx context.Context, s state.Snapshot) bool {
	if r.scope.Redeploy || s.Broken != nil || s.Leaf == nil || s.Current != s.Newest {
		return false
	}
	text, whole := bundle.LoadText(s.Store.Path(s.Current), s.Leaf)
	return whole && !slices.ContainsFunc(s.Targets(), func(t deploy.Target) bool {
		return s.Rollout.Targets[t.ID()].Started != "" || !deploy.Same(ctx, t, text)
	})
}

// inspect finds out how each target stands.
func (r *Rollout) inspect(ctx context.Context, c *candidate) {
	if !c.same {
		c.drifts = deploy.InspectAll(ctx, c.targets, c.bundle)
		return
	}
	c.drifts = make([]deploy.Drift, len(c.targets))
	for i := range c.drifts {
		c.drifts[i].InPlace = true
	}
}
