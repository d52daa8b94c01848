package state

import (
	"fmt"
	"time"

	"dvagent/agent/order"
)

// Renewal is what the forecast needs to know of a certificate.
type Renewal struct {
	At    time.Time   // when it is due; the past: now
	Ends  time.Time   // when the newest leaf does; zero: there is none
	Claim order.Claim // by the ledger; without an instance it wants one
	Apart bool        // it wants none: it follows, or is ordered from a package
}

// Renewal is the snapshot's. claim is the certificate's in the ledger.
func (s Snapshot) Renewal(now time.Time, claim order.Claim) Renewal {
	r := Renewal{At: s.RenewsAt(), Claim: claim, Apart: s.Config.Apart()}
	if s.Due(now) != "" {
		r.At = now
	}
	if s.Leaf != nil {
		r.Ends = s.Leaf.NotAfter
	}
	return r
}

// Ordering says that an order of the certificate runs on an instance.
func (r Renewal) Ordering() bool { return r.Claim.Instance != "" && !r.Claim.Kept }

// Claimed says that the certificate has an instance already that yields the
// renewal. A subscription that is over by then does not. Nor does one that ended
// the newest leaf with itself, to the day: the next leaf would end then, too. An
// order that runs has its instance.
func (r Renewal) Claimed() bool {
	c := r.Claim
	endsLeaf := c.Until.Sub(r.Ends).Abs() < 24*time.Hour
	lasts := c.Until.IsZero() || c.Until.After(r.At) && !endsLeaf
	return r.Apart || r.Ordering() || c.Instance != "" && lasts
}

// ShortHint is what to do about a Shortfall.
const ShortHint = "buy a DV instance, or extend the subscription"

// Shortfall says that the subscription of the certificate's instance does not
// last for the renewal. It is "" where it does, and where there is none.
func (r Renewal) Shortfall(certificate string, now time.Time) string {
	c := r.Claim
	if c.Instance == "" || r.Claimed() {
		return ""
	}
	ends, before := "ends", "before"
	if !now.Before(c.Until) {
		ends = "ended"
	}
	if c.Until.After(r.At) {
		before = "too soon for"
	}
	return fmt.Sprintf("the subscription of %s %s on %s, %s the renewal of %s on %s", c.Instance, ends, c.Until.UTC().Format(time.DateOnly),
		before, certificate, r.At.UTC().Format(time.DateOnly))
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
		case r.Claimed() || !r.At.Before(until):
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
