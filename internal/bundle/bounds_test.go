package bundle_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// modulus is an odd number of so many bits.
func modulus(bits uint) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return n.Add(n, big.NewInt(1))
}

// signedBy makes a certificate for any public key.
func signedBy(t testing.TB, subject string, public crypto.PublicKey) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: subject},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(0, 3, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, bundletest.NewKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func requestFor(t testing.TB, public *rsa.PublicKey) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(der, key.N.Bytes(), public.N.Bytes()[:256], 1)
}

// rsaKey is a private key in PKCS #1 whose numbers have so many bits.
func rsaKey(t testing.TB, n, primes uint) []byte {
	t.Helper()
	half := modulus(primes)
	der, err := asn1.Marshal(struct {
		Version              int
		N                    *big.Int
		E                    int
		D, P, Q, DP, DQ, Inv *big.Int
	}{0, modulus(n), 65537, modulus(n), half, half, half, half, half})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func inPKCS8(t testing.TB, der []byte) []byte {
	t.Helper()
	whole, err := asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}, der})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// atOnce fails a test whose work takes minutes, and does not wait for it.
func atOnce(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it is still being decoded")
	}
}

// fault 167
func TestAKeyBeyondAnyRealOneIsRefusedAtOnce(t *testing.T) {
	good := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	million := &rsa.PublicKey{N: modulus(1_000_000), E: 65537}
	for _, tt := range []struct{ name, certificates, key string }{
		{"a leaf of a million bits", string(block("CERTIFICATE", signedBy(t, "leaf", million))), string(good.KeyPEM())},
		{"an issuer of a million bits", string(join(good.CertPEM(), block("CERTIFICATE", signedBy(t, "Test Intermediate", million)))), string(good.KeyPEM())},
		{"a leaf of 8200 bits", string(block("CERTIFICATE", signedBy(t, "leaf", &rsa.PublicKey{N: modulus(8200), E: 65537}))), string(good.KeyPEM())},
		{"a private key of a million bits", string(good.CertPEM()), string(block("RSA PRIVATE KEY", rsaKey(t, 1_000_000, 500_000)))},
		{"one in PKCS #8", string(good.CertPEM()), string(block("PRIVATE KEY", inPKCS8(t, rsaKey(t, 1_000_000, 500_000))))},
		{"a modulus of 8200 bits", string(good.CertPEM()), string(block("RSA PRIVATE KEY", rsaKey(t, 8200, 1024)))},
		{"primes that are longer than the modulus", string(good.CertPEM()), string(block("RSA PRIVATE KEY", rsaKey(t, 2048, 400_000)))},
		{"many certificates that each could have signed each", manyOfOneName(t) + string(good.CertPEM()), string(good.KeyPEM())},
		{"a certificate of a megabyte", string(block("CERTIFICATE", make([]byte, 700_000))), string(good.KeyPEM())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			atOnce(t, func() {
				b, err := bundle.Parse([]byte(tt.certificates), []byte(tt.key))
				if err == nil {
					t.Errorf("it is a bundle: %v", b.ID())
				} else if len(err.Error()) > 400 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
				bundle.PublicKeys([]byte(tt.certificates + tt.key))
				bundle.KeyID([]byte(tt.key))
				bundle.LeafOf([]byte(tt.certificates))
			})
		})
	}
}

func manyOfOneName(t *testing.T) string {
	var all strings.Builder
	for range 20 {
		all.Write(block("CERTIFICATE", signedBy(t, "Test Intermediate", &rsa.PublicKey{N: modulus(8192), E: 1<<31 - 1})))
	}
	return all.String()
}

// fault 167
func TestARealKeyOfEachLengthIsTaken(t *testing.T) {
	for _, bits := range []int{2048, 4096} { // one of 8192 takes half a minute to make
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}, Key: key})
		if _, err := bundle.Parse(b.FullchainPEM(), b.KeyPEM()); err != nil {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// fault 167: what a certificate says at length is not repeated at length.
func TestACertificateWithManyNamesGivesAShortError(t *testing.T) {
	var names []string
	for range 500 {
		names = append(names, strings.Repeat("x", 60)+".example.com")
	}
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: names})
	if err := b.Verify([]string{"example.net"}, time.Now()); err == nil || len(err.Error()) > 400 {
		t.Errorf("%.500v", err)
	}
}

// fault 167
func FuzzDERInPEM(f *testing.F) {
	kinds := []string{"RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"}
	b := bundletest.NewCA(f, "Test").Issue(f, bundletest.Leaf{Names: []string{"example.com"}})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(b.Key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Leaf.Raw, b.Chain[0].Raw, pkcs8, uint8(2))
	f.Add(signedBy(f, "leaf", &rsa.PublicKey{N: modulus(9000), E: 3}), b.Chain[0].Raw, rsaKey(f, 2048, 1024), uint8(0))
	f.Add(requestFor(f, &rsa.PublicKey{N: modulus(2048), E: 3}), []byte{}, inPKCS8(f, rsaKey(f, 512, 256)), uint8(2))
	f.Fuzz(func(t *testing.T, leaf, issuer, key []byte, kind uint8) {
		begun := time.Now()
		keyPEM := block(kinds[int(kind)%len(kinds)], key)
		certificates := join(block("CERTIFICATE", leaf), block("CERTIFICATE", issuer))
		if got, err := bundle.Parse(certificates, keyPEM); err == nil {
			if again, err := bundle.Parse(got.FullchainPEM(), got.KeyPEM()); err != nil || again.ID() != got.ID() {
				t.Errorf("what was written does not read back: %v", err)
			}
			_ = got.Verify([]string{"example.com"}, begun)
		}
		bundle.PublicKeys(join(certificates, keyPEM))
		bundle.KeyID(keyPEM)
		bundle.LeafOf(certificates)
		bundle.RequestKeyID(block("CERTIFICATE REQUEST", leaf))
		bundle.RequestKeyType(block("CERTIFICATE REQUEST", leaf))
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
