// Package bundletest makes real certificates, and refuses real system calls,
// for the tests of packages that work on bundles. It is for tests alone.
package bundletest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"dvagent/internal/bundle"
)

// CA is a root and an intermediate that it signed.
type CA struct {
	Root, Intermediate       *x509.Certificate
	rootKey, intermediateKey crypto.Signer
}

// NewCA makes a CA whose subjects carry name. Its root is trusted for the permitted
// domains alone, where there are any.
func NewCA(t testing.TB, name string, permitted ...string) *CA {
	t.Helper()
	ca := &CA{rootKey: NewKey(t), intermediateKey: NewKey(t)}
	root := authority(name + " Root")
	root.PermittedDNSDomains, root.PermittedDNSDomainsCritical = permitted, len(permitted) > 0
	ca.Root = sign(t, root, root, ca.rootKey.Public(), ca.rootKey)
	ca.Intermediate = sign(t, authority(name+" Intermediate"), ca.Root, ca.intermediateKey.Public(), ca.rootKey)
	return ca
}

// Leaf is what Issue is asked for. The zero value of a field means: a new
// P-256 key, an hour ago, and 90 days from then.
type Leaf struct {
	Names               []string
	Key                 crypto.Signer
	NotBefore, NotAfter time.Time
}

// Issue signs a leaf by the intermediate.
func (ca *CA) Issue(t testing.TB, leaf Leaf) *bundle.Bundle {
	t.Helper()
	if leaf.Key == nil {
		leaf.Key = NewKey(t)
	}
	if leaf.NotBefore.IsZero() {
		leaf.NotBefore = time.Now().Add(-time.Hour)
	}
	if leaf.NotAfter.IsZero() {
		leaf.NotAfter = leaf.NotBefore.AddDate(0, 0, 90)
	}
	template := &x509.Certificate{
		SerialNumber: serial(t),
		DNSNames:     leaf.Names,
		NotBefore:    leaf.NotBefore,
		NotAfter:     leaf.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	c := sign(t, template, ca.Intermediate, leaf.Key.Public(), ca.intermediateKey)
	return &bundle.Bundle{Leaf: c, Chain: []*x509.Certificate{ca.Intermediate}, Key: leaf.Key}
}

// NewKey is a P-256 key.
func NewKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().AddDate(-2, 0, 0),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
