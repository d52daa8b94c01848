package agent

import (
	"crypto/x509"
	"hash/fnv"
	"math"
	"time"

	"dvagent/agent/config"
	"dvagent/internal/bundle"
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
)

// due names the first reason to order a certificate now, or is empty. The
// newest stored version counts, whichever is deployed.
func (s standing) due(now time.Time) string {
	for _, policy := range []struct {
		reason string
		holds  func(standing, time.Time) bool
	}{
		{ReasonMissing, func(s standing, _ time.Time) bool { return s.newest == "" }},
		{ReasonKeyMismatch, func(s standing, _ time.Time) bool { return s.broken != nil || s.leaf == nil }},
		{ReasonNamesChanged, func(s standing, _ time.Time) bool { return uncovered(s.leaf, s.Domains) != "" }},
		{ReasonEmergency, standing.emergency},
		{ReasonInWindow, func(s standing, now time.Time) bool { return !now.Before(s.renewsAt()) }},
	} {
		if policy.holds(s, now) {
			return policy.reason
		}
	}
	return ""
}

// emergency says that no more than a tenth of the lifetime is left.
func (s standing) emergency(now time.Time) bool {
	return s.leaf != nil && remaining(s.leaf, now) <= lifetime(s.leaf)/10
}

// beforeEmergency shortens the wait for another try: what still serves leaf is
// tried again when its emergency begins, and from then on every five minutes, or
// every hundredth of its lifetime where that is less.
func beforeEmergency(delay time.Duration, leaf *x509.Certificate, now time.Time) time.Duration {
	if leaf == nil {
		return delay
	}
	often := max(min(5*time.Minute, lifetime(leaf)/100), time.Second)
	return min(delay, max(remaining(leaf, now)-lifetime(leaf)/10, often))
}

// renewsAt is zero while there is no leaf.
func (s standing) renewsAt() time.Time {
	if s.leaf == nil {
		return time.Time{}
	}
	return RenewsAt(s.leaf, s.RenewBefore, s.Name)
}

// RenewsAt is when the renewal of a leaf is due: at the start of its window,
// and then later by a share of at most a day or a tenth of the window, so that
// many hosts do not call at once. The share is the same at every look.
func RenewsAt(leaf *x509.Certificate, renewBefore config.Window, name string) time.Time {
	window := renewBefore.Of(lifetime(leaf))
	hash := fnv.New64a()
	hash.Write([]byte(name + " " + bundle.Fingerprint(leaf)))
	share := float64(hash.Sum64()) / math.MaxUint64
	spread := time.Duration(share * float64(min(24*time.Hour, window/10)))
	return leaf.NotAfter.Add(spread - window).Truncate(time.Second)
}

// uncovered returns the first of the names that the leaf is not valid for, or "".
func uncovered(leaf *x509.Certificate, names []string) string {
	for _, name := range names {
		if !bundle.Covers(leaf, name) {
			return name
		}
	}
	return ""
}
