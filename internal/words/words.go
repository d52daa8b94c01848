// Package words puts durations, distances in time, counts and answers into words
// for people, such as "in 12 days". It knows no calendar and no time zone, and
// does not format dates.
package words

import (
	"fmt"
	"time"
)

// units are the ones that a duration is told in, largest first.
var units = []struct {
	of          time.Duration
	name, brief string
}{{24 * time.Hour, "day", "days"}, {time.Hour, "hour", "h"}, {time.Minute, "minute", "min"}}

// Span is a duration in the largest unit of which there are two, or in seconds:
// "12 days", "47 hours", "1 second".
func Span(d time.Duration) string {
	for _, unit := range units {
		if d >= 2*unit.of {
			return Count(int(d/unit.of), unit.name)
		}
	}
	return Count(int(d/time.Second), "second")
}

// BriefSpan is Span where room is short: "12 days", "47 h", "3 min", "1 s".
func BriefSpan(d time.Duration) string {
	for _, unit := range units {
		if d >= 2*unit.of {
			return fmt.Sprintf("%d %s", d/unit.of, unit.brief)
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// Away is how far off a time is, to the second: "in 12 days", "3 minutes ago".
func Away(t, now time.Time) string { return away(t.Sub(now).Round(time.Second), Span) }

// BriefAway is Away where room is short: "in 47 h", "3 min ago". It is "" for the
// zero time.
func BriefAway(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return away(t.Sub(now), BriefSpan)
}

func away(d time.Duration, span func(time.Duration) string) string {
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// Count is how many there are of something whose plural ends in s: "1 order",
// "2 orders".
func Count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// YesNo is "yes" or "no".
func YesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
