package state

import (
	"slices"

	"dvagent/deploy"
)

// Targets are the configured ones, with what is known of their file systems.
func (s Snapshot) Targets() []deploy.Target {
	targets := slices.Clone(s.Config.Deploy)
	for i := range targets {
		targets[i].Instead = map[string]deploy.Attributes{}
		for path, is := range s.Rollout.Targets[targets[i].ID()].Instead {
			targets[i].Instead[path] = deploy.Attributes(is)
		}
	}
	return targets
}
