package dashboard

import (
	"fmt"
	"time"

	"dvagent/agent"
)

// state is how a certificate stands, in a word and a sign.
type state struct {
	Key, Word, Sign string
	Tone            string // bad, warn, busy or good: the colour
	Person          bool   // it is shown on top
}

// The states, the most urgent first.
var states = []state{
	{"unreadable", "unreadable", "✕", "bad", true},
	{"expired", "expired", "✕", "bad", true},
	{"emergency", "emergency", "‼", "bad", true},
	{"stopped", "stopped", "■", "bad", true},
	{"no-instance", "no instance", "∅", "bad", true},
	{"failed", "failed", "!", "warn", true},
	{"not-served", "not served", "!", "warn", true},
	{"hook-owed", "hook owed", "!", "warn", true},
	{"ordering", "ordering", "↻", "busy", false},
	{"due", "due", "→", "busy", false},
	{"deploying", "deploying", "↓", "busy", false},
	{"held", "held", "=", "warn", false},
	{"ok", "ok", "✓", "good", false},
}

func named(key string) state {
	for _, s := range states {
		if s.Key == key {
			return s
		}
	}
	return state{}
}

// stateOf is the first that holds.
func stateOf(c *agent.Seen, now time.Time) state {
	o := c.Order
	for _, one := range []struct {
		key   string
		holds bool
	}{
		{"unreadable", c.Error != ""},
		{"expired", !c.NotAfter.IsZero() && !now.Before(c.NotAfter)},
		{"emergency", c.Emergency},
		{"stopped", o.Open() && o.Stopped},
		{"no-instance", o.Open() && o.WantsInstance()},
		{"failed", o.Open() && o.Error != ""},
		{"not-served", failedDeployment(c) != nil},
		{"hook-owed", c.HookError != ""},
		{"ordering", o.Open()},
		{"due", c.Reason != ""},
		{"deploying", !c.Deployed},
		{"held", c.Held},
	} {
		if one.holds {
			return named(one.key)
		}
	}
	return named("ok")
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
		return "ends " + away(at, now)
	}
	return "ended " + away(at, now)
}

func again(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	if !now.Before(at) {
		return "tried again now"
	}
	return "tried again " + away(at, now)
}

// away is how far off a time is, in words.
func away(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	d := at.Sub(now)
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// span is a duration in its largest unit.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		from, one time.Duration
		name      string
	}{
		{2 * day, day, "days"}, {2 * time.Hour, time.Hour, "h"}, {2 * time.Minute, time.Minute, "min"},
	} {
		if d >= unit.from {
			return fmt.Sprintf("%d %s", d/unit.one, unit.name)
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
