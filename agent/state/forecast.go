package state

import "time"

// Renewal is what the forecast needs to know of a certificate.
type Renewal struct {
	At      time.Time // when it is due; the past: now
	Claimed bool      // it has an instance already
}

// Renewal is the snapshot's. claimed says that an instance is claimed for it.
func (s Snapshot) Renewal(now time.Time, claimed bool) Renewal {
	if s.Due(now) != "" {
		return Renewal{At: now, Claimed: claimed}
	}
	return Renewal{At: s.RenewsAt(), Claimed: claimed}
}

// Forecast counts an account's certificates that want an instance within
// [limits] forecast.
type Forecast struct {
	Now   int // whose renewal is due already
	Later int
}

// Foresee counts the renewals that come before until and have no instance yet.
// It is the one rule behind the notices, the page, the metric and the check.
func Foresee(renewals []Renewal, now, until time.Time) Forecast {
	var f Forecast
	for _, r := range renewals {
		switch {
		case r.Claimed || !r.At.Before(until):
		case r.At.After(now):
			f.Later++
		default:
			f.Now++
		}
	}
	return f
}

// Coming is how many instances are wanted in all.
func (f Forecast) Coming() int { return f.Now + f.Later }
