package share

import (
	"slices"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
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

// goesBack says that what is current here is what the fleet was rolled back from, or lies
// between that and what it was rolled back to. A host that has something newer goes on.
func goesBack(r fleet.Rollout, s state.Snapshot) bool {
	if !r.RolledBack() || s.Current == r.Version.ID || newest(s).Newer(r.Newest) {
		return false
	}
	if s.Current == r.Newest.ID {
		return true
	}
	leaf, err := bundle.LoadLeaf(s.Store.Path(s.Current))
	return err == nil && !r.Version.Newer(fleet.Version{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter})
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
