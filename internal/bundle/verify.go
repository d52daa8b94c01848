package bundle

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/internal/hint"
	"dvagent/internal/words"
)

// Verify says in one line why b may not be served for names at now, or nil.
// The key must be the leaf's, every name covered (more may be), now within the
// dates of leaf and chain, and the chain hold at least the leaf's issuer, each
// certificate signed by the next. Names are A-labels, compared without case; a wildcard
// asks for the same wildcard. No root store is asked.
func (b *Bundle) Verify(names []string, now time.Time) error {
	if !SameKey(b.Leaf.PublicKey, b.Key.Public()) {
		return errors.New("the private key does not belong to the certificate")
	}
	if err := verifyNames(b.Leaf, names); err != nil {
		return err
	}
	if err := verifyDates(b.Leaf, now); err != nil {
		return err
	}
	return b.verifyChain(now)
}

func verifyNames(leaf *x509.Certificate, names []string) error {
	for _, name := range names {
		if len(leaf.DNSNames) == 0 {
			return fmt.Errorf("the certificate does not cover %q: it has no DNS names", name)
		}
		if !Covers(leaf, name) {
			return fmt.Errorf("the certificate does not cover %q: it is for %s", name, shortened(fmt.Sprintf("%q", leaf.DNSNames)))
		}
	}
	return nil
}

// Covers says whether the leaf is good for a host name, or for exactly this
// wildcard.
func Covers(leaf *x509.Certificate, name string) bool { return CoversName(leaf.DNSNames, name) }

// CoversName says whether a list of domains is good for a host name, or for
// exactly this wildcard. "*.example.com" covers one label: www.example.com, and
// neither example.com nor a.www.example.com. All are A-labels, compared without
// case.
func CoversName(names []string, name string) bool {
	name = strings.TrimSuffix(name, ".")
	label, parent, _ := strings.Cut(name, ".")
	return slices.ContainsFunc(names, func(one string) bool {
		return strings.EqualFold(one, name) || label != "" && strings.EqualFold(one, "*."+parent)
	})
}

func verifyDates(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) {
		return hint.Add(fmt.Errorf("the certificate of %q is not valid before %s", title(c), words.Minute(c.NotBefore)),
			"see whether the clock of this host is right")
	}
	if now.After(c.NotAfter) {
		return fmt.Errorf("the certificate of %q expired on %s", title(c), words.Minute(c.NotAfter))
	}
	return nil
}

func (b *Bundle) verifyChain(now time.Time) error {
	if len(b.Chain) == 0 {
		return fmt.Errorf("the chain is missing: no certificate of the issuer %q", shortened(b.Leaf.Issuer.String()))
	}
	c := b.Leaf
	for _, issuer := range b.Chain {
		if !signed(issuer, c) {
			return fmt.Errorf("the chain is broken: %q did not sign %q", title(issuer), title(c))
		}
		if err := verifyDates(issuer, now); err != nil {
			return fmt.Errorf("the chain is not usable: %w", err)
		}
		c = issuer
	}
	return nil
}
