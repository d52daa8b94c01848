package state

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/order"
)

// Renewal is what the forecast needs to know of a certificate.
type Renewal struct {
	At      time.Time   // when it is due; the past: now
	Ends    time.Time   // when the newest leaf does; zero: there is none
	Claim   order.Claim // by the ledger; without an instance it wants one
	Follows bool        // it wants nothing
	Package string      // that it wants a certificate of, in place of an instance; or ""
	Left    *order.Left // of the package; nil: not known
}

// Renewal is the snapshot's. claim is the certificate's in the ledger.
func (s Snapshot) Renewal(now time.Time, claim order.Claim) Renewal {
	r := Renewal{At: s.RenewsAt(), Claim: claim, Follows: s.Config.Follow, Package: s.Config.Package}
	if s.Due(now) != "" {
		r.At = now
	}
	if s.Leaf != nil {
		r.Ends = s.Leaf.NotAfter
	}
	return r
}

// Ordering says that an order of the certificate runs on an instance, or from a
// package.
func (r Renewal) Ordering() bool { return r.Claim.Instance != "" && !r.Claim.Kept }

// Claimed says that the certificate has an instance already that yields the
// renewal. A subscription that is over by then does not. Nor does one that ended
// the newest leaf with itself, to the day: the next leaf would end then, too. An
// order that runs has its instance, or has taken its certificate of a package: one
// order takes one, and the next order another.
func (r Renewal) Claimed() bool {
	c := r.Claim
	endsLeaf := c.Until.Sub(r.Ends).Abs() < oneDay
	lasts := c.Until.IsZero() || c.Until.After(r.At) && !endsLeaf
	return r.Follows || r.Ordering() || r.Package == "" && c.Instance != "" && lasts
}

// What to do about a Shortfall: of a subscription, and of a package.
const (
	ShortHint   = "buy a DV instance, or extend the subscription"
	PackageHint = "packages (V1) are no longer sold: buy an instance (V2), and remove the line package"
)

// Shortfall says that the package, or the subscription of the certificate's
// instance, does not last for the renewal. It is "" where it does, where there is
// none, and where that is not known.
func (r Renewal) Shortfall(certificate string, now time.Time) string {
	switch {
	case r.Claimed():
		return ""
	case r.Package == "":
		return r.subscriptionEnds(certificate, now)
	case r.Left == nil || r.Left.Certificates > 0:
		return ""
	}
	return fmt.Sprintf("package %s had no certificate left on %s, and the renewal of %s on %s wants one", r.Package,
		words.Date(r.Left.At), certificate, words.Date(r.At))
}

// subscriptionEnds is for a renewal that no claim yields.
func (r Renewal) subscriptionEnds(certificate string, now time.Time) string {
	c := r.Claim
	if c.Instance == "" {
		return ""
	}
	ends, before := "ends", "before"
	if !now.Before(c.Until) {
		ends = "ended"
	}
	if c.Until.After(r.At) {
		before = "too soon for"
	}
	return fmt.Sprintf("the subscription of %s %s on %s, %s the renewal of %s on %s", c.Instance, ends, words.Date(c.Until),
		before, certificate, words.Date(r.At))
}

// Forecast counts an account's certificates that want an instance, or one of a
// package, within [limits] forecast.
type Forecast struct {
	Now   int // whose renewal is due already
	Later int

	wanting []Renewal
}

// Foresee counts the renewals that come before until, and want something of the
// package, or an instance where that is "". It is the one rule behind the notices,
// the page, the metrics and the check.
func Foresee(renewals []Renewal, product string, now, until time.Time) Forecast {
	var f Forecast
	for _, r := range renewals {
		switch {
		case r.Package != product || r.Claimed() || !r.At.Before(until):
		case r.At.After(now):
			f.Later++
			f.wanting = append(f.wanting, r)
		default:
			f.Now++
			f.wanting = append(f.wanting, r)
		}
	}
	return f
}

// Coming is how many are wanted in all.
func (f Forecast) Coming() int { return f.Now + f.Later }

// Unmet is how many of them no spare instance yields: there are too few, or their
// subscriptions end too soon. The renewal that comes last chooses first, and takes
// the subscription that ends first of those that last for it.
func (f Forecast) Unmet(s Spares) (unmet int) {
	left := maps.Clone(s)
	ends := slices.SortedFunc(maps.Keys(left), soonest)
	byTurn := slices.SortedStableFunc(slices.Values(f.wanting), func(a, b Renewal) int { return b.At.Compare(a.At) })
	for _, r := range byTurn {
		i := slices.IndexFunc(ends, func(end time.Time) bool { return left[end] > 0 && r.yieldedBy(end) })
		if i < 0 {
			unmet++
			continue
		}
		left[ends[i]]--
	}
	return unmet
}

// yieldedBy says that a spare instance whose subscription ends then is of use: the
// next leaf can be later than this one, and than the instance that is kept allows.
func (r Renewal) yieldedBy(end time.Time) bool {
	return end.IsZero() || end.After(r.At) && end.Sub(r.Ends) >= oneDay && end.Sub(r.Claim.Until) >= oneDay
}
