package order

import (
	"strings"
	"time"
)

// This file holds what the journals of an older dvagent need, and what keeps
// ours readable to it.

// legacyTXT is an older dvagent's name for a challenge of kind TXT.
const legacyTXT = "DNS"

// fromOlder reads a fact as it would be written today. An older dvagent wrote
// down no causes.
func fromOlder(fact Fact) Fact {
	if fact.Kind == Failed && fact.Cause == "" && strings.HasPrefix(fact.Error, "no spare instance") {
		fact.Cause = CauseNoInstance
	}
	return fact.renamed(legacyTXT, TXT)
}

// forOlder is the fact as an older dvagent reads it: it knows one challenge.
func forOlder(fact Fact) Fact { return fact.renamed(TXT, legacyTXT) }

func (f Fact) renamed(from, to string) Fact {
	if f.Challenge != nil && f.Challenge.Kind == from {
		first := *f.Challenge
		first.Kind = to
		f.Challenge = &first
	}
	return f
}

// seeAll applies an older Visible fact, which names no record.
func (o *Order) seeAll(at time.Time) {
	for _, c := range o.Challenges {
		if proof := o.Proof(c); proof != nil {
			proof.Seen = at
		}
	}
}
