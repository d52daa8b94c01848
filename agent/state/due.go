package state

import (
	"crypto/x509"
	"time"

	"dvagent/agent/config"
	"dvagent/internal/bundle"
	"dvagent/internal/chance"
)

// Reasons why a certificate is ordered, as they stand in the plan, the status
// and the log.
const (
	ReasonMissing      = "missing"
	ReasonKeyMismatch  = "key mismatch"
	ReasonNamesChanged = "names changed"
	ReasonEmergency    = "emergency"
	ReasonInWindow     = "in window"
	ReasonForced       = "forced"
	ReasonAdopted      = "adopted"    // by an operator
	ReasonUnfinished   = "unfinished" // an order that was submitted, and whose journal is lost
)

// Due names the first reason to order a certificate now, or is empty. The
// newest stored version counts, whichever is deployed.
func (s Snapshot) Due(now time.Time) string {
	switch {
	case s.Newest == "":
		return ReasonMissing
	case s.Broken != nil || s.Leaf == nil:
		return ReasonKeyMismatch
	case Uncovered(s.Leaf, s.Config.Domains) != "":
		return ReasonNamesChanged
	case s.Emergency(now):
		return ReasonEmergency
	case !now.Before(s.RenewsAt()):
		return ReasonInWindow
	}
	return ""
}

// Emergency says that no more than a tenth of the newest leaf's lifetime is
// left. Without a leaf there is none.
func (s Snapshot) Emergency(now time.Time) bool {
	return s.Leaf != nil && !now.Before(bundle.LastTenth(s.Leaf.NotBefore, s.Leaf.NotAfter))
}

// ServesUntil is when the newest leaf ends; zero where it cannot be served for
// the names, whatever the time.
func (s Snapshot) ServesUntil() time.Time {
	if s.Leaf == nil || s.Broken != nil || Uncovered(s.Leaf, s.Config.Domains) != "" {
		return time.Time{}
	}
	return s.Leaf.NotAfter
}

// RenewsAt is zero while there is no leaf.
func (s Snapshot) RenewsAt() time.Time {
	if s.Leaf == nil {
		return time.Time{}
	}
	return renewsAt(s.Leaf, s.Config)
}

// DueAt is when Due will name a reason that it does not name now: with the renewal
// window or, where that is shorter, with the last tenth of the newest leaf's lifetime.
func (s Snapshot) DueAt() time.Time {
	if s.Leaf == nil {
		return time.Time{}
	}
	return Sooner(s.RenewsAt(), bundle.LastTenth(s.Leaf.NotBefore, s.Leaf.NotAfter))
}

// renewsAt is when the renewal of a leaf is due: at the start of its window,
// and then later by a share of at most a day or a tenth of the window, so that
// many hosts do not call at once. The share is the same at every look.
func renewsAt(leaf *x509.Certificate, certificate config.Certificate) time.Time {
	window := certificate.RenewBefore.Of(leaf.NotAfter.Sub(leaf.NotBefore))
	share := chance.Share(certificate.Name, bundle.Fingerprint(leaf), leaf.NotAfter)
	spread := time.Duration(share * float64(min(24*time.Hour, window/10)))
	return leaf.NotAfter.Add(spread - window).Truncate(time.Second)
}

// BeforeEmergency shortens the wait for another try: what still serves leaf is
// tried again when its emergency begins, and from then on every five minutes, or
// every hundredth of its lifetime where that is less.
func BeforeEmergency(delay time.Duration, leaf *x509.Certificate, now time.Time) time.Duration {
	if leaf == nil {
		return delay
	}
	often := max(min(5*time.Minute, leaf.NotAfter.Sub(leaf.NotBefore)/100), time.Second)
	return min(delay, max(bundle.LastTenth(leaf.NotBefore, leaf.NotAfter).Sub(now), often))
}

// Uncovered returns the first of the names that the leaf is not valid for, or "".
func Uncovered(leaf *x509.Certificate, names []string) string {
	for _, name := range names {
		if !bundle.Covers(leaf, name) {
			return name
		}
	}
	return ""
}
