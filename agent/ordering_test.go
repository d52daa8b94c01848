package agent

import (
	"testing"

	"dvagent/internal/sandbox"
)

// ordering is a way to order, and how often it was done.
type ordering struct {
	name     string
	newWorld func(*testing.T, sandbox.Options) *world
	orders   func(*world) int // that the server accepted, on whatever
	used     func(*world) int // instances, or certificates of a package
}

// orderings are all the ways.
var orderings = []ordering{
	{"2018-07-13", newWorld, func(w *world) int { return w.sandbox.Submitted() }, (*world).instancesUsed},
	{"2020-04-07", newWorldOfToday, func(w *world) int { return w.sandbox.Applied() }, (*world).usedInstances},
	{"package", newWorldOfPackages, (*world).taken, (*world).taken},
}

// ofEachOrdering runs a test for each of them.
func ofEachOrdering(t *testing.T, test func(*testing.T, ordering)) {
	for _, o := range orderings {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}
