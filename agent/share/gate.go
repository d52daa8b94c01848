package share

import (
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
)

// verdict says whether a host installs what was published.
type verdict int

const (
	open verdict = iota // it installs it
	try                 // it installs it first, once it has a seat among the canaries
	wait                // others try it first
	held                // one of those has failed
)

// silentAfter is when a canary that was not heard of any more gives its seat to another
// host. It is far more than commands and probes may take, and clocks may differ.
const silentAfter = 15 * time.Minute

// gate is the verdict for a host, with so many canaries. who is the host that failed, or
// that is at work.
func gate(r fleet.Rollout, host string, canaries int, now time.Time) (v verdict, who string) {
	if _, ours := r.Tries[host]; ours || r.Released || canaries == 0 {
		return open, ""
	}
	served, taken, working := 0, 0, ""
	for name, one := range r.Tries {
		switch {
		case one.State == fleet.Served:
			served++
			taken++
		case one.State == fleet.Failed:
			if who == "" || name < who {
				who = name
			}
			taken++
		case now.Sub(one.At).Abs() < silentAfter:
			if working == "" || name < working {
				working = name
			}
			taken++
		}
	}
	switch {
	case served >= canaries:
		return open, ""
	case who != "":
		return held, who
	case taken < canaries:
		return try, ""
	}
	return wait, working
}

// seatFree is when the first of the canaries that are at work gives its seat away, if
// nothing is heard of it until then; zero: none is at work.
func seatFree(r fleet.Rollout, now time.Time) (at time.Time) {
	for _, one := range r.Tries {
		if one.State == fleet.Trying && now.Sub(one.At).Abs() < silentAfter {
			at = state.Sooner(at, one.At.Add(silentAfter))
		}
	}
	return at
}
