package state

import "time"

// Scope says how a pass works.
type Scope struct {
	Since        time.Time // failures before it hold nothing up; zero: every backoff counts
	Redeploy     bool      // install again what is in place already
	Alone        bool      // order without asking the fleet: an operator says that nobody else does
	Unconfigured bool      // also remove the owed records of certificates that are not configured
}

// HeldUp says that an earlier failure keeps something from being tried now.
func (s Scope) HeldUp(failedAt, until time.Time) bool {
	return StillHeld(until) && !failedAt.Before(s.Since)
}
