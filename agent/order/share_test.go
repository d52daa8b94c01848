package order

import (
	"slices"
	"testing"
	"time"
)

// factAt is a fact of a host whose clock is that many hours off, n seconds after the order
// was opened.
func factAt(kind Kind, n, hours int) Fact {
	return Fact{Kind: kind, At: at(n).Add(time.Duration(hours) * time.Hour)}
}

func TestTwoAccountsOfAnOrderBecomeOne(t *testing.T) {
	opened, claimed, submitting := factAt(Opened, 0, 0), factAt(Claimed, 1, 0), factAt(Submitting, 2, 0)
	begun := []Fact{opened, claimed, submitting}
	with := func(facts ...Fact) []Fact { return append(slices.Clone(begun), facts...) }
	waited, submitted := factAt(Waiting, 3, 0), factAt(Submitted, 4, 0)
	for _, hours := range []int{-1, 0, 1} {
		refused, again, placed := factAt(Refused, 5, hours), factAt(Claimed, 6, hours), factAt(Submitting, 7, hours)
		for _, tt := range []struct {
			name                string
			first, second, want []Fact
		}{
			{"both know the same", begun, begun, begun},
			{"the first knows more", with(waited, submitted), begun, with(waited, submitted)},
			{"another host went on", begun, with(refused, again, placed), with(refused, again, placed)},
			{"another host went on, and this one had waited", with(waited), with(refused, again, placed), with(waited, refused, again, placed)},
			{"nothing is known here", nil, with(refused), with(refused)},
		} {
			if got := Union(tt.first, tt.second); !slices.EqualFunc(got, tt.want, Fact.same) {
				t.Errorf("%s, with a clock %d hours off: %v", tt.name, hours, got)
			}
		}
	}
	refused := factAt(Refused, 3, 0)
	if got := Union(with(submitted), with(refused)); !slices.EqualFunc(got, with(refused, submitted), Fact.same) {
		t.Errorf("where each lacks something that both should know: %v", got)
	}
}
