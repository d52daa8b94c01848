package state

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"dvagent/deploy"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/words"
)

// InPlace is the pair that the targets hold now, whoever put it there, and why it
// cannot become a version; nil: it can, once it is trusted. There is none where
// no target holds a whole pair. One that becomes a version goes to every target,
// so all must hold it already, in files that nobody else can change.
func (s Snapshot) InPlace(now time.Time) (pair *bundle.Bundle, unfit error) {
	pair, unfit = deploy.Found(s.Config.Deploy...)
	if unfit != nil {
		return s.inOne(), unfit
	}
	own, unfit := deploy.Held(s.Config.Deploy...) // read anew: that nobody else could have put it there holds for this very one
	if unfit != nil {
		return pair, unfit
	}
	return own, s.unfit(own, now)
}

// inOne is the pair of the first target that holds one.
func (s Snapshot) inOne() *bundle.Bundle {
	for _, target := range s.Config.Deploy {
		if pair, err := deploy.Found(target); err == nil {
			return pair
		}
	}
	return nil
}

// Unfit says why a pair from elsewhere cannot become the current version; nil: it
// can, once it is trusted.
func (s Snapshot) Unfit(b *bundle.Bundle, now time.Time) error { return s.unfit(b, now) }

// unfit says why a pair is not to be had in place of the newest version.
func (s Snapshot) unfit(b *bundle.Bundle, now time.Time) error {
	if err := b.Verify(s.Config.Domains, now); err != nil {
		return err
	}
	if due := renewsAt(b.Leaf, s.Config); !now.Before(due) {
		return fmt.Errorf("its renewal is due since %s", words.Date(due))
	}
	if s.ServesUntil().After(now) && !bundle.Newer(b.Leaf, s.Leaf) {
		return s.notNewer()
	}
	return nil
}

// Foreign is the pair for the certificate's names that somebody else put into a
// target, or into all targets together; nil: there is none that can be served, or
// it is a version of ours.
func (s Snapshot) Foreign(target deploy.Target, now time.Time) *bundle.Bundle {
	pair, err := deploy.Found(target)
	if err != nil {
		pair, err = deploy.Found(s.Config.Deploy...)
	}
	if err != nil || pair.Verify(s.Config.Domains, now) != nil {
		return nil
	}
	versions, err := s.Store.Versions()
	if err != nil || slices.Contains(versions, pair.ID()) {
		return nil
	}
	return pair
}

// Outdates says why a pair of somebody else's gives way to the current version, or
// nil where it may stay, once it is trusted: it was made later or ends later than
// the newest one, and its own renewal is not due. None stays in a target that an
// older version was in, or where the first installation has not succeeded: the
// current version has come since, and is owed.
func (s Snapshot) Outdates(target deploy.Target, b *bundle.Bundle, now time.Time) error {
	if known := s.Rollout.Targets[target.ID()]; known.Begun() && known.Version != s.Current {
		return fmt.Errorf("version %s has not been installed there yet", s.Current)
	}
	if due := s.StaysUntil(b); !due.IsZero() && !now.Before(due) {
		return fmt.Errorf("its renewal is due since %s, and version %s ends later", words.Date(due), s.Current)
	}
	if s.ServesUntil().IsZero() || bundle.Newer(b.Leaf, s.Leaf) || b.Leaf.NotAfter.After(s.Leaf.NotAfter) {
		return nil
	}
	return s.notNewer()
}

// StaysUntil is when a newer pair of somebody else's gives way to the current
// version, which ends later: when its own renewal is due. Zero: the version does not.
func (s Snapshot) StaysUntil(b *bundle.Bundle) time.Time {
	leaf, err := bundle.LoadLeaf(s.Store.Path(s.Current)) // the newest one may not be it
	if err != nil || Uncovered(leaf, s.Config.Domains) != "" || !b.Leaf.NotAfter.Before(leaf.NotAfter) {
		return time.Time{}
	}
	return renewsAt(b.Leaf, s.Config)
}

func (s Snapshot) notNewer() error { return fmt.Errorf("it is no newer than version %s", s.Newest) }

// Keeps is the newer pair of somebody else's that stays in a target, as far as
// that can be told without asking the account; nil: there is none.
func (h *Host) Keeps(s Snapshot, target deploy.Target, now time.Time) *bundle.Bundle {
	pair := s.Foreign(target, now)
	if pair == nil || s.Outdates(target, pair, now) != nil {
		return nil
	}
	if s.Rollout.Targets[target.ID()].Left != pair.ID() && pair.Trusted(h.Roots, now) != nil {
		return nil
	}
	return pair
}

// CheckPlaces says why a pair could not be installed on a target that dvagent never
// wrote to.
func (s Snapshot) CheckPlaces() error {
	var all error
	for _, target := range s.Config.Deploy {
		if !s.Rollout.Targets[target.ID()].Begun() {
			all = Also(all, deploy.CheckPlaces(target))
		}
	}
	return all
}

// Fits says that the bundle can be served as it is and is not due.
func (s Snapshot) Fits(b *bundle.Bundle, now time.Time) bool {
	return b.Verify(s.Config.Domains, now) == nil && now.Before(renewsAt(b.Leaf, s.Config))
}

// TakeOver makes a pair that the targets hold already the current version, so that
// installing dvagent on a running host buys nothing.
func (s *Snapshot) TakeOver(pair *bundle.Bundle) error {
	first := s.Newest == ""
	if err := s.Keep(pair); err != nil || !first {
		return err
	}
	for _, event := range []string{hooks.Issued, hooks.Deployed} { // nothing happened that a hook must know
		if err := s.Rollout.Told(event, pair.ID()); err != nil {
			return err
		}
	}
	return nil
}

// Foresee says, without asking the account, whether the pair in place becomes a
// version or, where there is none yet, why it does not and what happens then.
func (h *Host) Foresee(s Snapshot, now time.Time) (takenOver bool, warning string) {
	pair, unfit := s.InPlace(now)
	if pair == nil {
		return false, ""
	}
	if unfit == nil {
		if unfit = pair.Trusted(h.Roots, now); unfit == nil {
			return true, ""
		}
		unfit = fmt.Errorf("%w, unless Alibaba sold it to account %s", unfit, s.Config.Account)
	}
	if s.Newest != "" {
		return false, ""
	}
	return false, h.NotTakenOver(s, pair, unfit)
}

// NotTakenOver says why the pair in place does not become the first version, and
// what happens to it.
func (h *Host) NotTakenOver(s Snapshot, pair *bundle.Bundle, unfit error) string {
	then := "a certificate is ordered"
	if s.Config.Follow {
		then = "one of the account is waited for"
	}
	return fmt.Sprintf("the pair in place, %s, is not taken over: %s; %s, and the files are replaced, and kept in %s",
		Describe(pair), unfit, then, h.Dir.Originals(s.Config.Name))
}

// Describe names a pair that somebody else put in place.
func Describe(b *bundle.Bundle) string { return DescribeLeaf(b.Leaf) }

// DescribeLeaf names a certificate by who issued it and until when.
func DescribeLeaf(leaf *x509.Certificate) string {
	return fmt.Sprintf("of issuer %q, valid until %s", leaf.Issuer.String(), words.Date(leaf.NotAfter))
}
