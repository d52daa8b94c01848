package order

import (
	"path/filepath"
	"slices"

	"dvagent/internal/journal"
)

// failuresKept is how many of the failures in a row stay in the journal, beside the first:
// no wait grows with more of them.
const failuresKept = 16

// compactEvery is after how many lines it is seen whether the journal is worth rewriting.
const compactEvery = 32

// compact leaves out of the journal what a long outage wrote: of failures in a row all but
// the first and the last ones. They amount to the same state. A journal with damaged lines
// stays as it is, for they have to be told of, and so does one that cannot be written: the
// next failure is another chance.
func (o *Order) compact() {
	if o.log.Lines()%compactEvery != 0 || o.log.Damage().Lines > 0 {
		return
	}
	_, facts, err := journal.Open[Fact](filepath.Join(o.dir, OpenFile))
	if err != nil || len(facts) != o.log.Lines() {
		return
	}
	if kept := withoutRepetition(facts); o.log.Long(len(kept)) {
		_ = o.log.Rewrite(kept)
	}
}

// withoutRepetition leaves out the failures in a row that tell no more than others do.
func withoutRepetition(facts []Fact) (kept []Fact) {
	o, last := &Order{}, make([]int, len(facts)) // how many failures in a row were there with each fact
	for i, fact := range facts {
		o.apply(fromOlder(fact))
		last[i] = len(o.failures)
	}
	later := 0 // failures of the same row that come later
	for i := len(facts) - 1; i >= 0; i-- {
		switch {
		case facts[i].Kind != Failed:
			if last[i] == 0 {
				later = 0
			}
		case last[i] > 1 && later >= failuresKept:
			later++
			continue
		default:
			later++
		}
		kept = append(kept, facts[i])
	}
	slices.Reverse(kept)
	return kept
}
