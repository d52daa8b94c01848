package dashboard

import (
	"fmt"
	"strconv"
	"time"

	"dvagent/agent/view"
	"dvagent/internal/bundle"
)

// axis is the time that the bars of all shown certificates have in common.
type axis struct{ from, to time.Time }

// widest keeps one certificate of ten years from pressing the others together.
const widest = 400 * 24 * time.Hour

func newAxis(certificates []*view.Seen, now time.Time) axis {
	a := axis{now, now}
	for _, c := range certificates {
		if c.NotAfter.IsZero() {
			continue
		}
		if c.NotBefore.Before(a.from) {
			a.from = c.NotBefore
		}
		if c.NotAfter.After(a.to) {
			a.to = c.NotAfter
		}
	}
	if a.from == a.to {
		return axis{now.Add(-24 * time.Hour), now.Add(24 * time.Hour)}
	}
	if earliest := now.Add(-widest); a.from.Before(earliest) {
		a.from = earliest
	}
	if latest := now.Add(widest); a.to.After(latest) {
		a.to = latest
	}
	return a
}

// at is the place of a time in percent of the width; what lies outside is at
// the edge.
func (a axis) at(t time.Time) float64 {
	share := float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
	return 100 * min(max(share, 0), 1)
}

// mark is one labelled time on the axis.
type mark struct {
	At     string // percent of the width
	Time   time.Time
	Layout string
}

// marks divides the axis by a round step, at most eight times.
func (a axis) marks() []mark {
	const day = 24 * time.Hour
	whole := a.to.Sub(a.from)
	if whole > 60*day {
		return a.months(1 + int(whole/(8*30*day)))
	}
	step, format := 7*day, "2 Jan"
	for _, s := range []struct {
		step   time.Duration
		format string
	}{
		{time.Minute, "15:04"}, {5 * time.Minute, "15:04"}, {15 * time.Minute, "15:04"}, {time.Hour, "15:04"},
		{6 * time.Hour, "2 Jan 15:04"}, {day, "2 Jan"}, {3 * day, "2 Jan"},
	} {
		if whole <= 8*s.step {
			step, format = s.step, s.format
			break
		}
	}
	var all []mark
	for t := a.from.UTC().Truncate(step).Add(step); t.Before(a.to); t = t.Add(step) {
		all = append(all, mark{percent(a.at(t)), t, format})
	}
	return all
}

func (a axis) months(every int) []mark {
	var all []mark
	from := a.from.UTC()
	for t := time.Date(from.Year(), from.Month()+1, 1, 0, 0, 0, 0, time.UTC); t.Before(a.to); t = t.AddDate(0, every, 0) {
		format := "Jan"
		if t.Month() == time.January || len(all) == 0 {
			format = "Jan 2006"
		}
		all = append(all, mark{percent(a.at(t)), t, format})
	}
	return all
}

// bar is a certificate on the axis: its life until the renewal window, the
// window, and the tenth at its end in which nothing may be left undone.
type bar struct {
	Life, Window, Last stretch
	Now                string
	Text               string // for those who do not see it
}

// stretch is a stretch of the width, in percent.
type stretch struct{ X, Width string }

func (a axis) bar(c *view.Seen, now time.Time) *bar {
	if c.NotAfter.IsZero() {
		return nil
	}
	last := bundle.LastTenth(c.NotBefore, c.NotAfter)
	window := c.RenewsAt
	if window.IsZero() || window.After(last) {
		window = last
	}
	return &bar{
		Life: a.between(c.NotBefore, window), Window: a.between(window, last), Last: a.between(last, c.NotAfter),
		Now: percent(a.at(now)),
		Text: fmt.Sprintf("valid from %s to %s; renewed from %s on; %s", date(c.NotBefore), date(c.NotAfter),
			date(window), ends(c.NotAfter, now)),
	}
}

func (a axis) between(from, to time.Time) stretch {
	x := a.at(from)
	return stretch{percent(x), percent(max(a.at(to)-x, 0))}
}

func percent(share float64) string { return strconv.FormatFloat(share, 'f', 2, 64) + "%" }

// date is short where the day says enough.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateOnly)
}

// clock is a time of this host, with its zone.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
