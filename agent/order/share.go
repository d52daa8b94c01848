package order

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"dvagent/internal/atomicfile"
	"dvagent/internal/journal"
)

// This file holds what an order needs that one of several hosts works on: its facts
// are written where the others read them, and the others go on with them.

// Share has each further fact written by with before it is written here. What with
// refuses is not written at all.
func (o *Order) Share(with func(Fact) error) { o.share = with }

// Shared are those of the facts that another host needs to go on with an order, or
// to know how it ended. What this host waits for, how it failed, where it stored the
// bundle and which files it wrote are its own affair.
func Shared(facts []Fact) []Fact {
	return slices.DeleteFunc(slices.Clone(facts), func(f Fact) bool { return !f.shared() })
}

func (f Fact) shared() bool {
	switch f.Kind {
	case Waiting, Failed, Collected:
		return false
	}
	return f.Record == nil || f.Record.Kind != File
}

// Replay is the order that facts amount to. It belongs to no journal: nothing can be
// recorded of it.
func Replay(certificate string, facts []Fact) *Order {
	o := &Order{Certificate: certificate}
	for _, fact := range facts {
		o.apply(fact)
	}
	return o
}

// Replace makes the journal of the open order in the directory dir hold just these
// facts, and reads it.
func Replace(dir string, facts []Fact) (*Order, error) {
	path := filepath.Join(dir, OpenFile)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("take over an order: %w", err)
	}
	log, _, err := journal.Open[Fact](path)
	if err != nil {
		return nil, err
	}
	older := make([]Fact, len(facts))
	for i, fact := range facts {
		older[i] = forOlder(fact)
	}
	if err := log.Rewrite(older); err != nil {
		return nil, err
	}
	return Load(dir)
}

// DiscardStaged removes what a killed process left of a Replace, or of a journal that was
// made shorter.
func DiscardStaged(dir string) error {
	return atomicfile.DiscardAt(filepath.Join(dir, OpenFile))
}

// Same says that two orders of a certificate are one, which several hosts worked on.
func (o *Order) Same(other *Order) bool {
	return o.Number == other.Number && o.Host == other.Host
}

// Union are the facts of two accounts of one order, neither of which has to know all.
// Each account stays in its own order, whatever the clocks of the hosts said: what only
// second knows comes after what it follows there. Between facts that were to be known to
// both, and of which each account lacks some, their times decide.
func Union(first, second []Fact) []Fact {
	all, at := slices.Clone(first), 0
	for _, fact := range second {
		if known := slices.IndexFunc(all, fact.same); known >= 0 {
			at = max(at, known+1)
			continue
		}
		for at < len(all) && !slices.ContainsFunc(second, all[at].same) && !(all[at].shared() && all[at].At.After(fact.At)) {
			at++
		}
		all = slices.Insert(all, at, fact)
		at++
	}
	return all
}

func (f Fact) same(other Fact) bool { return f.Kind == other.Kind && f.At.Equal(other.At) }
