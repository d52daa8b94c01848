package deploy

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"dvagent/internal/bundle"
)

// warnings says what may cause clients trouble although the leaf is served.
func warnings(served []Listener, b *bundle.Bundle) []string {
	var found []string
	shown := false
	for _, l := range served {
		h := l.telling(b)
		switch {
		case spare(l, served, b):
			found = append(found, fmt.Sprintf("%s, of %s, takes no connection: %s", h.Address, l.Probe, h))
		case h.shows(b):
			shown = true
			found = append(found, compareChain(h, b)...)
		}
	}
	if shown && !rooted(b) {
		found = append(found, fmt.Sprintf("the chain ends in no root that this host trusts; its last issuer is %q", lastIssuer(b)))
	}
	return found
}

// compareChain compares the intermediates that were sent with the bundle's. A
// root may be sent or not.
func compareChain(h Handshake, b *bundle.Bundle) []string {
	var found, known []string
	missing := 0
	for _, c := range b.Chain {
		known = append(known, bundle.Fingerprint(c))
		if !slices.Contains(h.Chain, bundle.Fingerprint(c)) && c.CheckSignatureFrom(c) != nil {
			missing++
		}
	}
	if missing > 0 {
		found = append(found, fmt.Sprintf("%s sends the leaf without %d of the bundle's intermediates", h.Address, missing))
	}
	foreign := slices.DeleteFunc(slices.Clone(h.Chain), func(c string) bool { return slices.Contains(known, c) })
	if len(foreign) > 0 {
		found = append(found, fmt.Sprintf("%s sends %d certificates after the leaf that are not the bundle's", h.Address, len(foreign)))
	}
	return found
}

// rooted says whether the chain leads to a root that this host trusts. It is true
// if the host has no roots at all.
func rooted(b *bundle.Bundle) bool {
	roots, err := x509.SystemCertPool()
	if err != nil || roots.Equal(x509.NewCertPool()) {
		return true
	}
	between := x509.NewCertPool()
	for _, c := range b.Chain {
		between.AddCert(c)
	}
	_, err = b.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between,
		CurrentTime: b.Leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var unknown x509.UnknownAuthorityError
	return !errors.As(err, &unknown)
}

func lastIssuer(b *bundle.Bundle) string {
	last := b.Leaf
	if len(b.Chain) > 0 {
		last = b.Chain[len(b.Chain)-1]
	}
	return last.Issuer.String()
}
