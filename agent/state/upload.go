package state

import "dvagent/agent/rollout"

// Place is where the account keeps the current version since it was uploaded, or
// nil.
func (s Snapshot) Place() *rollout.Place {
	if !s.Config.Upload || s.Current == "" {
		return nil
	}
	if place := s.Rollout.Place(s.Current); place != nil && place.Account == s.Config.Account {
		return place
	}
	return nil
}

// UploadOwed says that the current version is to be put into the account.
func (s Snapshot) UploadOwed() bool {
	return s.Config.Upload && s.Current != "" && s.Place() == nil
}

// Heard says that the hooks of an event were told of the current version and,
// where it was uploaded, of its place: those that were told before that run
// again.
func (s Snapshot) Heard(event string) bool {
	told, place := s.Rollout.Targets[event], s.Place()
	if told.Version != s.Current {
		return false
	}
	return place == nil || told.Place != nil && *told.Place == *place
}
