package dashboard

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"dvagent/agent/view"
	"dvagent/internal/words"
)

// guise is how a state is shown: a sign, and a tone that is its colour.
type guise struct{ Sign, Tone string } // bad, warn, busy or good

var guiseOf = map[view.State]guise{
	view.Unreadable: {"✕", "bad"},
	view.Expired:    {"✕", "bad"},
	view.Emergency:  {"‼", "bad"},
	view.Stopped:    {"■", "bad"},
	view.NoInstance: {"∅", "bad"},
	view.Failed:     {"!", "warn"},
	view.NotServed:  {"!", "warn"},
	view.UploadOwed: {"!", "warn"},
	view.HookOwed:   {"!", "warn"},
	view.Retrying:   {"↻", "warn"},
	view.Ordering:   {"↻", "busy"},
	view.Due:        {"→", "busy"},
	view.Deploying:  {"↓", "busy"},
	view.Unproven:   {"?", "warn"},
	view.Kept:       {"=", "warn"},
	view.Held:       {"=", "warn"},
	view.OK:         {"✓", "good"},
}

// states are all, the most urgent first.
var states = sync.OnceValue(allStates)

func allStates() []badge {
	var all []badge
	for _, s := range slices.SortedFunc(maps.Keys(guiseOf), func(a, b view.State) int { return a.Rank() - b.Rank() }) {
		all = append(all, badgeOf(s))
	}
	return all
}

// badge is how a certificate stands, in a word and a sign.
type badge struct {
	guise
	Key, Word string
	Person    bool // it is shown on top
}

func badgeOf(s view.State) badge {
	return badge{guiseOf[s], strings.ReplaceAll(string(s), " ", "-"), string(s), s.NeedsOperator()}
}

// trouble is what a person is told of a certificate.
type trouble struct {
	Text, Hint, Again string
}

func troubleOf(c *view.Seen, now time.Time) trouble {
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
	case c.FollowError != "" || c.FleetError != "":
		if t.Text = cmp.Or(c.FollowError, c.FleetError); !strings.Contains(c.Next, t.Text) {
			t.Hint = c.Next
		}
	case d != nil:
		t.Text, t.Hint, t.Again = d.Target+": "+d.Error, d.Hint, again(d.RetryAt, now)
	case c.Upload.Failed():
		t.Text, t.Hint, t.Again = "upload: "+c.Upload.Error, c.Upload.Hint, again(c.Upload.RetryAt, now)
	case c.HookError != "":
		t.Text, t.Hint = c.HookError, c.HookAdvice()
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
