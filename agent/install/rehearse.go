package install

import (
	"context"
	"fmt"

	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/hint"
)

// Rehearse warns, before an order is opened, of what would keep its certificate from
// being installed. It is worth having all the same. What was rehearsed lately is not
// rehearsed again.
func (r *Rollout) Rehearse(ctx context.Context, s state.Snapshot, forced bool) {
	if s.Order != nil || !forced && (s.SeenInPlace || s.Due(state.Now()) == "") {
		return
	}
	for _, target := range s.Config.Deploy {
		rehearsed, err := deploy.Rehearse(ctx, target, deploy.Ours)
		r.warn(s, target.String(), err)
		for _, file := range rehearsed {
			r.warn(s, file.Path, file.Err)
		}
	}
}

func (r *Rollout) warn(s state.Snapshot, what string, err error) {
	if err == nil {
		return
	}
	text := fmt.Sprintf("an order is due, and its certificate cannot be installed at %s: %s", what, err)
	if advice := hint.Of(err); advice != "" {
		text += " (hint: " + advice + ")"
	}
	r.host.WarnOnce(s.Config.Name, text)
}
