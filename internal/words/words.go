// Package words puts times, durations, counts and answers into words for people,
// such as "in 12 days". Each time that people are shown is by one clock, this
// host's, and names its zone, unless it is a date alone.
package words

import (
	"fmt"
	"time"
)

// Date is the day of a time, by this host's clock: "2026-11-26".
func Date(t time.Time) string { return t.Local().Format(time.DateOnly) }

// Minute is a time to the minute: "2026-11-26 15:04 CST".
func Minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

// Second is a time to the second: "2026-11-26 15:04:05 CST".
func Second(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// Clock names the clock that dates are by: "CST (UTC+08:00)", or "UTC".
func Clock(now time.Time) string {
	name, offset := now.Local().Zone()
	if offset == 0 {
		return name
	}
	return name + " (UTC" + now.Local().Format("-07:00") + ")"
}

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

// Away is how far off a time is, to the second: "in 12 days", "3 minutes ago",
// "now".
func Away(t, now time.Time) string { return away(t.Sub(now).Round(time.Second), Span) }

// Ago is Away of what has happened: "3 minutes ago", "just now".
func Ago(t, now time.Time) string {
	if now.Sub(t) < time.Second {
		return "just now"
	}
	return Away(t, now)
}

// BriefAway is Away where room is short: "in 47 h", "3 min ago". It is "" for the
// zero time.
func BriefAway(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return away(t.Sub(now), BriefSpan)
}

func away(d time.Duration, span func(time.Duration) string) string {
	switch {
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
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
