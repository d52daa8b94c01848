package order

import (
	"path/filepath"
	"reflect"
	"slices"

	"dvagent/internal/journal"
)

// cyclesKept is how many of the cycles in a row stay in the journal, beside the first: no
// wait grows with more failures than that.
const cyclesKept = 24

// longestCycle is of how many facts a cycle may be: a record is asked for and refused, a
// package is claimed and given back, and the step fails.
const longestCycle = 6

// compactEvery is by how many lines the journal grows before it is seen whether it is worth
// rewriting.
const compactEvery = 32

// compact leaves out of the journal what a long outage wrote. A journal with damaged lines
// stays as it is, for they have to be told of, and so does one that cannot be written: what
// comes next is another chance.
func (o *Order) compact() {
	if o.log.Lines() < o.looked+compactEvery || o.log.Damage().Lines > 0 {
		return
	}
	o.looked = o.log.Lines()
	_, facts, err := journal.Open[Fact](filepath.Join(o.dir, OpenFile))
	if err != nil || len(facts) != o.log.Lines() {
		return
	}
	if kept := WithoutRepetition(facts); o.log.Long(len(kept)) && o.log.Rewrite(kept) == nil {
		o.looked = o.log.Lines()
	}
}

// WithoutRepetition leaves out of facts what was done again and again to no avail: of
// cycles of the same kinds in a row all but the first and the last ones. What is left
// amounts to the same state, but for failures of which there are many.
func WithoutRepetition(facts []Fact) []Fact {
	for length := 1; length <= longestCycle; length++ {
		for at := 0; at < len(facts); at++ {
			n := cycles(facts[at:], length)
			if n <= cyclesKept+1 {
				continue
			}
			shorter := slices.Concat(facts[:at+length], facts[at+length*(n-cyclesKept):])
			if alike(shorter, facts) {
				facts = shorter
			}
			at += length * cyclesKept
		}
	}
	return facts
}

// cycles counts how often the kinds of the first facts come in a row.
func cycles(facts []Fact, length int) int {
	n := 1
	for ; (n+1)*length <= len(facts); n++ {
		same := slices.EqualFunc(facts[:length], facts[n*length:(n+1)*length], func(a, b Fact) bool { return a.Kind == b.Kind })
		if !same {
			break
		}
	}
	return n
}

// alike says that facts amount to the same state, but for how many failures there were.
func alike(a, b []Fact) bool {
	one, other := &Order{}, &Order{}
	for _, fact := range a {
		one.apply(fromOlder(fact))
	}
	for _, fact := range b {
		other.apply(fromOlder(fact))
	}
	one.failures, other.failures = nil, nil
	return reflect.DeepEqual(one, other)
}
