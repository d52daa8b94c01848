package bundle

import (
	"crypto/sha1" // the API's fingerprint is SHA-1
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Trusted says in one line why clients that trust these roots, or this host's
// where they are nil, would not trust b's chain at now, or nil. Names are not
// compared.
func (b *Bundle) Trusted(roots *x509.CertPool, now time.Time) error {
	_, err := b.trusted(roots, now)
	return err
}

// trusted says also that any leaf of the same issuers is as trusted, as far as the
// issuers decide.
func (b *Bundle) trusted(roots *x509.CertPool, now time.Time) (alike bool, untrusted error) {
	between := x509.NewCertPool()
	for _, c := range b.Chain {
		between.AddCert(c)
	}
	chains, err := b.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	var unknown x509.UnknownAuthorityError
	var none x509.SystemRootsError
	switch {
	case errors.As(err, &none):
		return true, errors.New("this host has no roots to trust")
	case errors.As(err, &unknown):
		return true, errors.New("no root that this host trusts leads to it")
	case err != nil:
		return false, fmt.Errorf("this host does not trust it: %w", err)
	}
	return !slices.ContainsFunc(slices.Concat(chains...), constrains), nil
}

// Trust says what Trusted says of many stored versions, and verifies one of those that
// have the same issuers. The zero value is for this host's roots. It is safe for
// concurrent use. It is for a moment: roots change, and issuers end.
type Trust struct {
	Roots *x509.CertPool

	mu    sync.Mutex
	known map[string]error // by the issuers, as they stand in the file
}

// Stored is Trusted for the version in dir, and its leaf. The version was verified
// before: that its issuers signed it is not verified again where they are known.
func (t *Trust) Stored(dir string, now time.Time) (leaf *x509.Certificate, untrusted, err error) {
	data, err := read(dir, FullchainFile)
	if err != nil {
		return nil, nil, fmt.Errorf("load version: %w", err)
	}
	first, issuers := pem.Decode(data)
	if first == nil {
		return nil, nil, fmt.Errorf("load version %s: %w", dir, errNoCertificate)
	}
	if leaf, err = parseCertificate(first.Bytes); err != nil {
		return nil, nil, fmt.Errorf("load version %s: %w", dir, err)
	}
	asOthers := ordinary(leaf) && verifyDates(leaf, now) == nil
	if untrusted, known := t.of(issuers); known && asOthers {
		return leaf, untrusted, nil
	}
	certificates, err := parseCertificates(data)
	if err != nil {
		return nil, nil, fmt.Errorf("load version %s: %w", dir, err)
	}
	b := &Bundle{Leaf: leaf, Chain: certificates[1:]}
	alike, untrusted := b.trusted(t.Roots, now)
	if alike && asOthers {
		t.note(issuers, untrusted)
	}
	return leaf, untrusted, nil
}

func (t *Trust) note(issuers []byte, untrusted error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]error{}
	}
	t.known[string(issuers)] = untrusted
}

func (t *Trust) of(issuers []byte) (untrusted error, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	untrusted, known = t.known[string(issuers)]
	return untrusted, known
}

// ordinary says that nothing in a leaf but its issuer and its dates decides whether it
// is trusted.
func ordinary(leaf *x509.Certificate) bool {
	return slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && len(leaf.UnhandledCriticalExtensions) == 0
}

// constrains says that an issuer is trusted for some leaves, and not for others.
func constrains(issuer *x509.Certificate) bool {
	nameConstraints := asn1.ObjectIdentifier{2, 5, 29, 30}
	return slices.ContainsFunc(issuer.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(nameConstraints) })
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
