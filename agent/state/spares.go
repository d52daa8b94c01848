package state

import "time"

const oneDay = 24 * time.Hour

// Spares are an account's spare instances: how many there are for each day (UTC)
// on which their subscriptions end. The zero time is that of those without an end.
type Spares map[time.Time]int

// Add counts an instance whose subscription ends at a moment.
func (s Spares) Add(end time.Time) { s[dayOf(end)]++ }

// Remove takes an instance off that was added.
func (s Spares) Remove(end time.Time) {
	if s[dayOf(end)]--; s[dayOf(end)] <= 0 {
		delete(s, dayOf(end))
	}
}

// Count is how many there are in all.
func (s Spares) Count() (n int) {
	for _, of := range s {
		n += of
	}
	return n
}

func dayOf(end time.Time) time.Time { return end.UTC().Truncate(oneDay) }

// soonest sorts ends; what has none is last.
func soonest(a, b time.Time) int {
	if a.IsZero() != b.IsZero() {
		return -a.Compare(b)
	}
	return a.Compare(b)
}
