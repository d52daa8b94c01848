// Package bundle holds a certificate's leaf, chain and key: it parses what a
// CA returned, says whether it is fit to be served, and stores it as a version
// that `current` can be switched to. It asks no network and no clock, and knows
// nothing of where a bundle is deployed.
package bundle

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"time"
)

// Bundle is a leaf with its private key and its issuers. Parse makes one that
// is in order; Verify says whether it may be served.
type Bundle struct {
	Leaf  *x509.Certificate
	Chain []*x509.Certificate // the leaf's issuer first, without the leaf
	Key   crypto.Signer

	keyBlock *pem.Block // the key in the encoding it came in; nil when built by hand
}

// ID names the version that b is stored as: the leaf's NotBefore (UTC) and the
// first twelve digits of its fingerprint, as in "20261123-0123456789ab". The
// same leaf always gives the same ID.
func (b *Bundle) ID() string { return idOf(b.Leaf) }

func idOf(leaf *x509.Certificate) string {
	return leaf.NotBefore.UTC().Format("20060102") + "-" + Fingerprint(leaf)[:12]
}

// Fingerprint is the SHA-256 of the leaf's DER in 64 lower-case hex digits.
func Fingerprint(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// LastTenth is when the last tenth of a leaf's lifetime begins. It is the one
// rule for what is an emergency.
func LastTenth(notBefore, notAfter time.Time) time.Time {
	return notAfter.Add(-notAfter.Sub(notBefore) / 10)
}

// CertPEM is the leaf alone.
func (b *Bundle) CertPEM() []byte { return certificatesPEM(b.Leaf) }

// ChainPEM is the issuers without the leaf.
func (b *Bundle) ChainPEM() []byte { return certificatesPEM(b.Chain...) }

// FullchainPEM is the leaf and then its issuers.
func (b *Bundle) FullchainPEM() []byte { return append(b.CertPEM(), b.ChainPEM()...) }

// KeyPEM is the private key in the encoding that it came in: PKCS#1, SEC 1 or
// PKCS#8. It is nil for a key that cannot be encoded.
func (b *Bundle) KeyPEM() []byte {
	if b.keyBlock != nil {
		return pem.EncodeToMemory(b.keyBlock)
	}
	if key, ok := b.Key.(*rsa.PrivateKey); ok {
		return pem.EncodeToMemory(&pem.Block{Type: pkcs1, Bytes: x509.MarshalPKCS1PrivateKey(key)})
	}
	der, err := x509.MarshalPKCS8PrivateKey(b.Key)
	if err != nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: pkcs8, Bytes: der})
}

func certificatesPEM(certificates ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range certificates {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw}))
	}
	return out.Bytes()
}
