package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// authority is a certification authority: a root, and an intermediate that issues.
type authority struct {
	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey // the intermediate's
	lifetime           time.Duration
}

func newAuthority(lifetime time.Duration) (*authority, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := newIssuer("Sandbox Root CA", rootKey, nil, rootKey)
	if err != nil {
		return nil, err
	}
	a := &authority{root: root, lifetime: lifetime}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	a.intermediate, err = newIssuer("Sandbox DV CA", a.key, root, rootKey)
	return a, err
}

// newIssuer makes a CA certificate for key, signed by parent, or by itself when parent is nil.
func newIssuer(name string, key *ecdsa.PrivateKey, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, error) {
	now := time.Now().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{Country: []string{"CN"}, Organization: []string{"Sandbox"}, CommonName: name},
		NotBefore:    now.AddDate(-1, 0, 0), NotAfter: now.AddDate(20, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newKey makes the key of a leaf; an RSA key takes a tenth of a second, or
// several. algorithm is one of keyAlgorithms.
func newKey(algorithm string) (crypto.Signer, error) {
	if algorithm == "ECC_256" {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	bits, err := strconv.Atoi(strings.TrimPrefix(algorithm, "RSA_"))
	if err != nil {
		return nil, fmt.Errorf("make a key: there is no algorithm %q", algorithm)
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// domainValidated is the policy of certificates whose domains alone were checked.
var domainValidated = asn1.ObjectIdentifier{2, 23, 140, 1, 2, 1}

// leaf describes a certificate for names, before a fault may spoil it.
func (a *authority) leaf(names []string) *x509.Certificate {
	now := time.Now().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    now, NotAfter: now.Add(a.lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		PolicyIdentifiers:     []asn1.ObjectIdentifier{domainValidated},
	}
}

// issue signs a leaf; the answer is the PEM of the leaf and of the
// intermediate after it, without the root.
func (a *authority) issue(leaf *x509.Certificate, key crypto.PublicKey) (string, error) {
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.intermediate, key, a.key)
	if err != nil {
		return "", err
	}
	return certificatePEM(der) + certificatePEM(a.intermediate.Raw), nil
}

func (a *authority) rootPEM() []byte { return []byte(certificatePEM(a.root.Raw)) }

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// keyPEM writes a key of newKey in the form that is its algorithm's own.
func keyPEM(key crypto.Signer) string {
	block := &pem.Block{Type: "RSA PRIVATE KEY"}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		block.Bytes = x509.MarshalPKCS1PrivateKey(k)
	case *ecdsa.PrivateKey:
		block.Type = "EC PRIVATE KEY"
		block.Bytes, _ = x509.MarshalECPrivateKey(k) // fails on no curve of newKey
	}
	return string(pem.EncodeToMemory(block))
}

// newSerial makes 127 random bits.
func newSerial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	return n
}
