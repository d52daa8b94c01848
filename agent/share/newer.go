package share

import (
	"slices"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
)

// later says that a version of the fleet was made after the newest one of this host. CAs
// round dates: of two versions with the same ones, that is the later which this host has
// never had.
func later(v fleet.Version, s state.Snapshot) bool {
	if mine := newest(s); v.Newer(mine) || mine.Newer(v) {
		return v.Newer(mine)
	}
	return !had(s, v.ID)
}

// ahead says that this host's newest version was made after the newest one of the fleet.
func ahead(s state.Snapshot, r fleet.Rollout) bool {
	mine := newest(s)
	if !r.Known() || mine.Newer(r.Newest) || r.Newest.Newer(mine) {
		return !r.Known() || mine.Newer(r.Newest)
	}
	return s.Newest != r.Newest.ID && had(s, r.Newest.ID)
}

// newest is what this host has, as far as it is compared.
func newest(s state.Snapshot) fleet.Version {
	if s.Leaf == nil { // it cannot be read
		return fleet.Version{ID: s.Newest}
	}
	return fleet.Version{ID: s.Newest, NotBefore: s.Leaf.NotBefore, NotAfter: s.Leaf.NotAfter}
}

// had says that a version is, or was, this host's.
func had(s state.Snapshot, id string) bool {
	ids, err := s.Store.Versions()
	return err == nil && slices.Contains(ids, id)
}
