package sandbox

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// readCSR reads a certificate signing request in PEM, and tells the names that
// it is for, the common name first. It refuses a signature that is not by the
// request's own key, a key that the CA would not certify, and names that are none.
func readCSR(text string) (*x509.CertificateRequest, []string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, nil, invalidParameter("Csr")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil || keyAlgorithm(csr.PublicKey) == "" {
		return nil, nil, invalidParameter("Csr")
	}
	list := slices.DeleteFunc(append([]string{csr.Subject.CommonName}, csr.DNSNames...), func(name string) bool { return name == "" })
	names, err := splitDomains(strings.Join(list, ","))
	if err != nil {
		return nil, nil, invalidParameter("Csr")
	}
	return csr, union(names), nil
}

// keyAlgorithm is how the API calls a public key's kind, "" for one that it does not take.
func keyAlgorithm(public any) string {
	name := ""
	switch public.(type) {
	case *rsa.PublicKey:
		name = fmt.Sprintf("RSA_%d", keySize(public))
	case *ecdsa.PublicKey:
		name = fmt.Sprintf("ECC_%d", keySize(public))
	}
	if !slices.Contains(keyAlgorithms, name) {
		return ""
	}
	return name
}

// keySize is in bits, 0 for a key that is neither RSA nor ECDSA.
func keySize(public any) int {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Params().BitSize
	}
	return 0
}

// keyHash is the SHA-256 of a public key, as a certificate holds it, in hex.
func keyHash(subjectPublicKeyInfo []byte) string {
	sum := sha256.Sum256(subjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// union joins lists of names, each name once, where it comes first.
func union(lists ...[]string) []string {
	var all []string
	for _, name := range slices.Concat(lists...) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
