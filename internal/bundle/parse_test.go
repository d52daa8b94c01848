package bundle_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

func TestParse(t *testing.T) {
	ca, other := bundletest.NewCA(t, "Test"), bundletest.NewCA(t, "Other")
	want := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	stranger := other.Issue(t, bundletest.Leaf{Names: []string{"example.net"}})
	leaf, chain, key := want.CertPEM(), want.ChainPEM(), want.KeyPEM()
	root, full := certificatePEM(ca.Root), want.FullchainPEM()
	crlf := func(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")) }

	for _, test := range []struct {
		name              string
		certificates, key []byte
		err               string
	}{
		{"leaf and chain are taken as they are", full, key, ""},
		{"a reversed chain is put in order", join(root, chain, leaf), key, ""}, // fault 27
		{"a doubled chain is made single", join(full, full), key, ""},          // fault 27
		{"a superfluous root is dropped", join(full, root), key, ""},           // fault 27
		{"CRLF is read", crlf(full), crlf(key), ""},                            // fault 28
		{"a byte order mark is skipped", // fault 28
			join([]byte("\ufeff"), full), join([]byte("\ufeff"), key), ""},
		{"rubbish after the end is ignored", // fault 28
			join(full, []byte("\x00\xff-----BEGIN rubbish")), join(key, []byte("\n\nEOF")), ""},
		{"a key inside the certificate file is ignored", join(key, full), key, ""}, // fault 28
		{"the certificate behind the key is ignored", full, join(leaf, key), ""},
		{"a thousand blocks are refused", bytes.Repeat(leaf, 1000), key, "more than 50 PEM blocks"}, // fault 28
		{"two mebibytes are refused", make([]byte, 2<<20), key, "bytes are more than"},
		{"nothing is no certificate", nil, key, "no PEM block of a certificate"}, // fault 23
		{"no key is refused", full, nil, "no PEM block of a private key"},        // fault 23
		{"issuers without a leaf are refused", join(chain, root), key, "no leaf"},
		{"a key of another leaf is refused", full, stranger.KeyPEM(), // fault 25
			`the private key does not belong to the certificate of "example.com"`},
		{"a foreign issuer is refused", join(leaf, stranger.ChainPEM()), key, "has no part in the chain"}, // fault 27
		{"a foreign leaf is refused", join(full, stranger.CertPEM()), key, "has no part in the chain"},
		{"an encrypted key is refused", full, block("ENCRYPTED PRIVATE KEY", []byte{1}), "it is encrypted"},
		{"a broken key is not quoted", full, block("PRIVATE KEY", []byte("secret")), `the block "PRIVATE KEY" does not decode`},
		{"a broken certificate is refused", block("CERTIFICATE", []byte{1}), key, "malformed certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := bundle.Parse(test.certificates, test.key)
			if wantError(t, err, test.err) {
				return
			}
			if !bytes.Equal(got.FullchainPEM(), full) || !bytes.Equal(got.KeyPEM(), key) {
				t.Errorf("got another bundle: leaf %s, %d issuers", got.Leaf.Subject, len(got.Chain))
			}
		})
	}
}

func TestParseKeepsTheEncodingOfTheKey(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaLeaf := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, Key: rsaKey})
	ecLeaf := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	rsa8, _ := x509.MarshalPKCS8PrivateKey(rsaKey)
	ec8, _ := x509.MarshalPKCS8PrivateKey(ecLeaf.Key)

	for _, test := range []struct {
		name string
		of   *bundle.Bundle
		key  []byte
	}{
		{"PKCS#1 stays PKCS#1", rsaLeaf, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))},
		{"PKCS#8 with RSA stays PKCS#8", rsaLeaf, block("PRIVATE KEY", rsa8)},
		{"PKCS#8 with P-256 stays PKCS#8", ecLeaf, block("PRIVATE KEY", ec8)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := bundle.Parse(test.of.FullchainPEM(), test.key)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.KeyPEM(), test.key) {
				t.Error("the key came out in another encoding")
			}
		})
	}
}

func TestVerify(t *testing.T) {
	ca, other := bundletest.NewCA(t, "Test"), bundletest.NewCA(t, "Other")
	now := time.Now()
	issue := func(names ...string) *bundle.Bundle { return ca.Issue(t, bundletest.Leaf{Names: names}) }
	changed := func(b *bundle.Bundle, change func(*bundle.Bundle)) *bundle.Bundle {
		change(b)
		return b
	}
	for _, test := range []struct {
		name  string
		b     *bundle.Bundle
		names string
		at    time.Time
		err   string
	}{
		{"the same names are covered", issue("example.com", "*.example.com"), "example.com *.example.com", now, ""},
		{"more names than asked for are fine", issue("example.com", "www.example.com"), "example.com", now, ""}, // fault 24
		{"case and a trailing dot do not matter", issue("XN--FSQ.example.com"), "xn--fsq.Example.COM.", now, ""},
		{"a wildcard covers a label", issue("*.example.com"), "www.example.com", now, ""},
		{"a wildcard does not cover its apex", issue("*.example.com"), "example.com", now, `does not cover "example.com"`},         // fault 24
		{"a wildcard needs the same wildcard", issue("example.com", "www.example.com"), "*.example.com", now, "does not cover"},    // fault 24
		{"a missing name is named", issue("example.com"), "example.com example.net", now, `cover "example.net": it is for ["exam`}, // fault 24
		{"a leaf without names is named so", issue(), "example.com", now, "it has no DNS names"},
		{"an expired leaf is refused", issue("example.com"), "example.com", now.AddDate(0, 4, 0), "expired on"},              // fault 26
		{"a leaf of tomorrow is refused", issue("example.com"), "example.com", now.AddDate(0, 0, -1), "is not valid before"}, // fault 26
		{"a missing chain is refused", // fault 27
			changed(issue("example.com"), func(b *bundle.Bundle) { b.Chain = nil }), "example.com", now, "the chain is missing"},
		{"a foreign issuer is refused", // fault 27
			changed(issue("example.com"), func(b *bundle.Bundle) { b.Chain[0] = other.Intermediate }), "example.com", now, "did not sign"},
		{"a foreign key is refused", // fault 25
			changed(issue("example.com"), func(b *bundle.Bundle) { b.Key = bundletest.NewKey(t) }), "example.com", now, "does not belong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.b.Verify(strings.Fields(test.names), test.at)
			if !wantError(t, err, test.err) && err != nil {
				t.Error(err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestID(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	start := time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("CST", 8*3600)) // the 23rd in UTC
	b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: start})
	if want := "20261123-" + bundle.Fingerprint(b.Leaf)[:12]; b.ID() != want {
		t.Errorf("ID = %q, want %q", b.ID(), want)
	}
}

func FuzzParse(f *testing.F) {
	b := bundletest.NewCA(f, "Test").Issue(f, bundletest.Leaf{Names: []string{"example.com"}})
	f.Add(b.FullchainPEM(), b.KeyPEM())
	f.Add(b.CertPEM(), join(b.KeyPEM(), b.ChainPEM()))
	f.Fuzz(func(t *testing.T, certificates, key []byte) {
		got, err := bundle.Parse(certificates, key)
		if err != nil {
			return
		}
		again, err := bundle.Parse(got.FullchainPEM(), got.KeyPEM())
		if err != nil || again.ID() != got.ID() {
			t.Errorf("what was written does not read back: %v", err)
		}
	})
}

// wantError says whether an error was wanted, and fails the test when err is
// not that.
func wantError(t *testing.T, err error, part string) bool {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Fatal(err)
	case part != "" && err == nil:
		t.Fatalf("no error, want %q", part)
	case part != "" && !strings.Contains(err.Error(), part):
		t.Fatalf("error %q, want %q", err, part)
	}
	return part != ""
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func certificatePEM(c *x509.Certificate) []byte { return block("CERTIFICATE", c.Raw) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestTheLeafOfAChainIsFoundWhereverItStands(t *testing.T) { // fault 27
	ca := bundletest.NewCA(t, "Test")
	want := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	for name, chain := range map[string][]byte{
		"first":                want.FullchainPEM(),
		"last":                 join(certificatePEM(ca.Root), want.ChainPEM(), want.CertPEM()),
		"behind another block": join(want.KeyPEM(), want.FullchainPEM()),
	} {
		if got, err := bundle.LeafOf(chain); err != nil || !got.Equal(want.Leaf) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := bundle.LeafOf(want.ChainPEM()); err != nil || got.Equal(want.Leaf) {
		t.Errorf("of an authority alone: %v", err)
	}
	_, err := bundle.LeafOf(want.KeyPEM())
	wantError(t, err, "no PEM block of a certificate")
}
