package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
)

var keyTypes = []struct {
	name string
	make func() (crypto.Signer, error)
}{
	{"rsa2048", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }},
	{"rsa3072", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
	{"rsa4096", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) }},
	{"ec256", func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
}

// KeyTypes are the kinds of keys that MakeKey can make.
func KeyTypes() []string {
	var names []string
	for _, kind := range keyTypes {
		names = append(names, kind.name)
	}
	return names
}

// MakeKey makes a private key of one of the KeyTypes, as PKCS #8 in PEM.
func MakeKey(kind string) ([]byte, error) {
	for _, known := range keyTypes {
		if known.name != kind {
			continue
		}
		key, err := known.make()
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: pkcs8, Bytes: der}), nil
	}
	return nil, fmt.Errorf("make a key: %q is none of %v", kind, KeyTypes())
}

// KeyID is the SHA-256 of the public half of a private key (PEM), in hex.
func KeyID(keyPEM []byte) (string, error) {
	key, _, err := parseKey(keyPEM)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	return publicID(key.Public())
}

// LeafKeyID is the KeyID that a leaf was issued for.
func LeafKeyID(leaf *x509.Certificate) string { return hashOf(leaf.RawSubjectPublicKeyInfo) }

// LeafOf is the leaf of a chain (PEM) whose key is not at hand: the first certificate that
// is no authority's, for the chain may come the wrong way round.
func LeafOf(chainPEM []byte) (*x509.Certificate, error) {
	certificates, err := parseCertificates(chainPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	isLeaf := func(c *x509.Certificate) bool { return !c.IsCA }
	return certificates[max(0, slices.IndexFunc(certificates, isLeaf))], nil
}

// RequestKeyID is the KeyID that a certificate request (PEM) is for.
func RequestKeyID(requestPEM []byte) (string, error) {
	request, err := parseRequest(requestPEM)
	if err != nil {
		return "", err
	}
	return hashOf(request.RawSubjectPublicKeyInfo), nil
}

// RequestKeyType is which of the KeyTypes a certificate request (PEM) is for, or
// "" for another one.
func RequestKeyType(requestPEM []byte) (string, error) {
	request, err := parseRequest(requestPEM)
	if err != nil {
		return "", err
	}
	switch key := request.PublicKey.(type) {
	case *rsa.PublicKey:
		return knownType("rsa" + strconv.Itoa(key.N.BitLen())), nil
	case *ecdsa.PublicKey:
		return knownType("ec" + strconv.Itoa(key.Params().BitSize)), nil
	}
	return "", nil
}

func knownType(name string) string {
	if slices.Contains(KeyTypes(), name) {
		return name
	}
	return ""
}

func parseRequest(requestPEM []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(requestPEM)
	if block == nil {
		return nil, fmt.Errorf("read certificate request: it is no PEM")
	}
	if err := boundDER(block.Bytes); err != nil {
		return nil, fmt.Errorf("read certificate request: %w", err)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read certificate request: %w", err)
	}
	return request, nil
}

func publicID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	return hashOf(der), nil
}

func hashOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Request makes a certificate request (PEM) for the names, the first of which is
// its common name, signed with the key (PEM).
func Request(keyPEM []byte, names []string) ([]byte, error) {
	key, _, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: names[0]}, DNSNames: slices.Clone(names)}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}
