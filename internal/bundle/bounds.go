package bundle

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// What no real pair comes near. A modulus of a million bits takes minutes to
// decode, and so does its signature.
const (
	maxBlocks       = 50
	maxCertificates = 16       // each may have to be compared with each
	maxDER          = 64 << 10 // bytes of a certificate, or of a request
	maxKeyDER       = 5 << 10  // bytes; an RSA key of maxRSA bits has 4.7 KiB
	maxRSA          = 8192     // bits, as crypto/tls has it
)

// parseCertificate parses one whose key costs no more than a real one's.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	if err := boundDER(der); err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return c, boundPublic(c.PublicKey)
}

func boundDER(der []byte) error {
	if len(der) > maxDER {
		return fmt.Errorf("%d bytes are more than the %d of any real one", len(der), maxDER)
	}
	return nil
}

func boundPublic(key crypto.PublicKey) error {
	if key, isRSA := key.(*rsa.PublicKey); isRSA && key.N.BitLen() > maxRSA {
		return fmt.Errorf("an RSA key of %d bits is longer than the %d of any real one", key.N.BitLen(), maxRSA)
	}
	return nil
}

// boundKey bounds a private key before it is decoded: all its numbers by its
// length, and the modulus by itself.
func boundKey(block *pem.Block) error {
	if len(block.Bytes) > maxKeyDER {
		return fmt.Errorf("a private key of %d bytes is longer than the %d of any real one", len(block.Bytes), maxKeyDER)
	}
	if n := modulus(block.Type, block.Bytes); n != nil {
		return boundPublic(&rsa.PublicKey{N: n})
	}
	return nil
}

// shortened is text of a certificate, cut to a length that fits into an error.
func shortened(text string) string {
	const enough = 200
	if len(text) <= enough {
		return text
	}
	return strings.ToValidUTF8(text[:enough], "") + "…"
}
