package bundle

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// The PEM block types that a bundle is made of.
const (
	certificateBlock = "CERTIFICATE"
	pkcs1            = "RSA PRIVATE KEY"
	sec1             = "EC PRIVATE KEY"
	pkcs8            = "PRIVATE KEY"
	pkcs8Encrypted   = "ENCRYPTED PRIVATE KEY"
)

// MaxBytes is how long a file or an answer may be that holds a pair. Real
// bundles hold some five blocks of 2 KiB.
const MaxBytes = 1 << 20

var byteOrderMark = []byte("\xef\xbb\xbf")

// Parse makes a bundle of PEM as it comes from a CA or a disk. It takes CRLF,
// a byte order mark, text around the blocks, a key among the certificates
// (ignored), and issuers that are doubled or in any order. A self-signed root
// is dropped unless it signed the leaf itself. It refuses what has no leaf for
// the key, and certificates that have no part in the leaf's chain. The chain
// may be empty; Verify minds that.
func Parse(certificatePEM, keyPEM []byte) (*Bundle, error) {
	certificates, err := parseCertificates(certificatePEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	key, block, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	leaf, err := findLeaf(certificates, key)
	if err != nil {
		return nil, err
	}
	chain, err := chainOf(leaf, certificates)
	if err != nil {
		return nil, err
	}
	return &Bundle{Leaf: leaf, Chain: chain, Key: key, keyBlock: block}, nil
}

// blocks returns the PEM blocks in data, of bounded size and number.
func blocks(data []byte) ([]*pem.Block, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%d bytes are more than the %d of any real one", len(data), MaxBytes)
	}
	rest := bytes.TrimSpace(bytes.TrimPrefix(data, byteOrderMark))
	var found []*pem.Block
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found, nil
		}
		if len(found) == maxBlocks {
			return nil, fmt.Errorf("more than %d PEM blocks", maxBlocks)
		}
		found = append(found, block)
	}
}

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	found, err := blocks(data)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, block := range found {
		if block.Type != certificateBlock {
			continue
		}
		c, err := parseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(certificates, c.Equal) {
			certificates = append(certificates, c)
		}
		if len(certificates) > maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
	}
	if len(certificates) == 0 {
		return nil, errNoCertificate
	}
	return certificates, nil
}

var errNoCertificate = errors.New("no PEM block of a certificate")

// HasLeaf says that the leaf is one of the certificates in a PEM.
func HasLeaf(certificatePEM []byte, leaf *x509.Certificate) bool {
	certificates, err := parseCertificates(certificatePEM)
	return err == nil && slices.ContainsFunc(certificates, leaf.Equal)
}

func parseKey(data []byte) (crypto.Signer, *pem.Block, error) {
	block, err := keyBlock(data)
	if err != nil {
		return nil, nil, err
	}
	key, err := decodeKey(block)
	if err != nil {
		return nil, nil, err
	}
	return key, block, nil
}

// keyBlock finds the first private key in data.
func keyBlock(data []byte) (*pem.Block, error) {
	found, err := blocks(data)
	if err != nil {
		return nil, err
	}
	for _, block := range found {
		switch block.Type {
		case pkcs8Encrypted:
			return nil, errors.New("it is encrypted")
		case pkcs1, sec1, pkcs8:
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("it is encrypted")
			}
			return &pem.Block{Type: block.Type, Bytes: block.Bytes}, nil
		}
	}
	return nil, errors.New("no PEM block of a private key")
}

// decodeKey keeps the decoder's own words out of its errors: they may quote
// what was read.
func decodeKey(block *pem.Block) (crypto.Signer, error) {
	if err := boundKey(block); err != nil {
		return nil, err
	}
	var key any
	var err error
	switch block.Type {
	case pkcs1:
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case sec1:
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("the block %q does not decode", block.Type)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// findLeaf is the certificate that the key belongs to.
func findLeaf(certificates []*x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	for _, c := range certificates {
		if SameKey(c.PublicKey, key.Public()) {
			return c, nil
		}
	}
	for _, c := range certificates {
		if !c.IsCA {
			return nil, fmt.Errorf("the private key does not belong to the certificate of %q", title(c))
		}
	}
	return nil, errors.New("no leaf: all certificates are those of a CA")
}

// SameKey compares two public keys, of any kinds.
func SameKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// PublicKeys lists the public keys that data, PEM, is about: those of its
// private keys and of its certificates that are no CA's. It is nil when a part
// does not decode.
func PublicKeys(data []byte) []crypto.PublicKey {
	found, err := blocks(data)
	if err != nil {
		return nil
	}
	var keys []crypto.PublicKey
	for _, block := range found {
		switch block.Type {
		case certificateBlock:
			c, err := parseCertificate(block.Bytes)
			if err != nil {
				return nil
			}
			if !c.IsCA {
				keys = append(keys, c.PublicKey)
			}
		case pkcs1, sec1, pkcs8:
			key, err := decodeKey(block)
			if err != nil {
				return nil
			}
			keys = append(keys, key.Public())
		}
	}
	return keys
}

// chainOf walks from the leaf to the issuer that no other certificate signed.
func chainOf(leaf *x509.Certificate, certificates []*x509.Certificate) ([]*x509.Certificate, error) {
	known := signatures{}
	if err := known.refuseForeign(leaf, certificates); err != nil {
		return nil, err
	}
	chain := []*x509.Certificate{leaf}
	for len(chain) < len(certificates) {
		issuer := known.issuerOf(chain[len(chain)-1], certificates)
		if issuer == nil || slices.Contains(chain, issuer) {
			break
		}
		if known.selfSigned(issuer) && len(chain) > 1 {
			break
		}
		chain = append(chain, issuer)
	}
	return chain[1:], nil
}

// signatures are those that were verified of a few certificates: by issuer and
// certificate, whether one signed the other. Nothing else of a bundle takes as long.
type signatures map[[2]*x509.Certificate]bool

func (known signatures) signed(issuer, c *x509.Certificate) bool {
	pair := [2]*x509.Certificate{issuer, c}
	is, found := known[pair]
	if !found {
		is = signed(issuer, c)
		known[pair] = is
	}
	return is
}

func (known signatures) selfSigned(c *x509.Certificate) bool { return known.signed(c, c) }

// issuerOf prefers the cross-signed form of an issuer to its self-signed one,
// since a path can go on from there.
func (known signatures) issuerOf(c *x509.Certificate, certificates []*x509.Certificate) *x509.Certificate {
	var root *x509.Certificate
	for _, candidate := range certificates {
		switch {
		case candidate == c || !known.signed(candidate, c):
		case known.selfSigned(candidate):
			root = candidate
		default:
			return candidate
		}
	}
	return root
}

// refuseForeign reports a certificate on no path from the leaf upward.
func (known signatures) refuseForeign(leaf *x509.Certificate, certificates []*x509.Certificate) error {
	onPath := []*x509.Certificate{leaf}
	for i := 0; i < len(onPath); i++ {
		for _, candidate := range certificates {
			if !slices.Contains(onPath, candidate) && known.signed(candidate, onPath[i]) {
				onPath = append(onPath, candidate)
			}
		}
	}
	for _, c := range certificates {
		if !slices.Contains(onPath, c) {
			return fmt.Errorf("the certificate of %q has no part in the chain of %q", title(c), title(leaf))
		}
	}
	return nil
}

// signed compares the names first: it saves most of the signatures.
func signed(issuer, c *x509.Certificate) bool {
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(issuer) == nil
}

// title is what a person would call c.
func title(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return shortened(c.DNSNames[0])
	}
	return shortened(c.Subject.String())
}
