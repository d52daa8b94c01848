package dashboard

import (
	"maps"
	"slices"
	"strings"
	"time"

	"dvagent/agent"
	"dvagent/internal/words"
)

// guise is how a state is shown: a sign, and a tone that is its colour.
type guise struct{ Sign, Tone string } // bad, warn, busy or good

var guiseOf = map[agent.State]guise{
	agent.StateUnreadable: {"✕", "bad"},
	agent.StateExpired:    {"✕", "bad"},
	agent.StateEmergency:  {"‼", "bad"},
	agent.StateStopped:    {"■", "bad"},
	agent.StateNoInstance: {"∅", "bad"},
	agent.StateFailed:     {"!", "warn"},
	agent.StateNotServed:  {"!", "warn"},
	agent.StateHookOwed:   {"!", "warn"},
	agent.StateRetrying:   {"↻", "warn"},
	agent.StateOrdering:   {"↻", "busy"},
	agent.StateDue:        {"→", "busy"},
	agent.StateDeploying:  {"↓", "busy"},
	agent.StateUnproven:   {"?", "warn"},
	agent.StateHeld:       {"=", "warn"},
	agent.StateOK:         {"✓", "good"},
}

// states are all, the most urgent first.
var states = allStates()

func allStates() []state {
	var all []state
	for _, s := range slices.SortedFunc(maps.Keys(guiseOf), func(a, b agent.State) int { return a.Rank() - b.Rank() }) {
		all = append(all, stateOf(s))
	}
	return all
}

// state is how a certificate stands, in a word and a sign.
type state struct {
	guise
	Key, Word string
	Person    bool // it is shown on top
}

func stateOf(s agent.State) state {
	return state{guiseOf[s], strings.ReplaceAll(string(s), " ", "-"), string(s), s.NeedsPerson()}
}

// trouble is what a person is told of a certificate.
type trouble struct {
	Text, Hint, Again string
}

func troubleOf(c *agent.Seen, now time.Time) trouble {
	t := trouble{}
	o, d := c.Order, failedDeployment(c)
	switch {
	case c.Error != "":
		t.Text = c.Error
	case o.Open() && o.Error != "":
		t.Text, t.Hint, t.Again = o.Error, o.Hint, again(o.RetryAt, now)
		if o.Stopped {
			t.Again = "not tried again by itself"
		}
	case d != nil:
		t.Text, t.Hint, t.Again = d.Target+": "+d.Error, d.Hint, again(d.RetryAt, now)
	case c.HookError != "":
		t.Text, t.Hint = c.HookError, "mend the hook; it is run again by itself"
	default:
		t.Text = c.Next
	}
	if !c.NotAfter.IsZero() && c.Emergency {
		t.Text = ends(c.NotAfter, now) + "; " + t.Text
	}
	t.Text, t.Hint = clean(t.Text), clean(t.Hint)
	return t
}

func ends(at, now time.Time) string {
	if now.Before(at) {
		return "ends " + words.BriefAway(at, now)
	}
	return "ended " + words.BriefAway(at, now)
}

func again(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	if !now.Before(at) {
		return "tried again now"
	}
	return "tried again " + words.BriefAway(at, now)
}
