package bundle

import (
	"crypto/sha1" // the API's fingerprint is SHA-1
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Trusted says in one line why clients that trust these roots, or this host's
// where they are nil, would not trust b's chain at now, or nil. Names are not
// compared.
func (b *Bundle) Trusted(roots *x509.CertPool, now time.Time) error {
	between := x509.NewCertPool()
	for _, c := range b.Chain {
		between.AddCert(c)
	}
	_, err := b.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	var unknown x509.UnknownAuthorityError
	var none x509.SystemRootsError
	switch {
	case errors.As(err, &none):
		return errors.New("this host has no roots to trust")
	case errors.As(err, &unknown):
		return errors.New("no root that this host trusts leads to it")
	case err != nil:
		return fmt.Errorf("this host does not trust it: %w", err)
	}
	return nil
}

// SHA1 is the fingerprint that CAS tells of a leaf, in lower case.
func SHA1(leaf *x509.Certificate) string { return fmt.Sprintf("%x", sha1.Sum(leaf.Raw)) }

// Newer says that a leaf was made later than another one or, of two that were
// made at the same time, ends later. It is the one rule for which of two
// certificates is the newest: CAs grant shorter lives than they did.
func Newer(leaf, than *x509.Certificate) bool {
	if leaf.NotBefore.Equal(than.NotBefore) {
		return leaf.NotAfter.After(than.NotAfter)
	}
	return leaf.NotBefore.After(than.NotBefore)
}
