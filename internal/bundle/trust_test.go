package bundle_test

import (
	"crypto/x509"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// fault 135
func TestAPairIsTrustedWhereARootLeadsToIt(t *testing.T) {
	ca, other := bundletest.NewCA(t, "One"), bundletest.NewCA(t, "Other")
	b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	bare := &bundle.Bundle{Leaf: b.Leaf, Key: b.Key}
	now := time.Now()
	for _, tt := range []struct {
		name   string
		bundle *bundle.Bundle
		root   *x509.Certificate
		at     time.Time
		why    string
	}{
		{"its own", b, ca.Root, now, ""},
		{"another's", b, other.Root, now, "no root that this host trusts leads to it"},
		{"its own, without the chain between", bare, ca.Root, now, "no root that this host trusts leads to it"},
		{"its own, too late", b, ca.Root, now.AddDate(1, 0, 0), "this host does not trust it: x509: certificate has expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			roots := x509.NewCertPool()
			roots.AddCert(tt.root)
			wantError(t, tt.bundle.Trusted(roots, tt.at), tt.why)
		})
	}
}

// Trust verifies one leaf of an issuer, and must say of each what Trusted says.
func TestOfStoredVersionsIsSaidWhatIsSaidOfEach(t *testing.T) {
	ca, other := bundletest.NewCA(t, "One"), bundletest.NewCA(t, "Other")
	limited := bundletest.NewCA(t, "Limited", "a.example.com")
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root)
	roots.AddCert(limited.Root)
	now := time.Now()
	ended := bundletest.Leaf{Names: []string{"a.example.com"}, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}
	trust := &bundle.Trust{Roots: roots}
	for _, tt := range []struct {
		name string
		ca   *bundletest.CA
		leaf bundletest.Leaf
		why  string
	}{
		{"the first", ca, bundletest.Leaf{Names: []string{"a.example.com"}}, ""},
		{"another of its issuer", ca, bundletest.Leaf{Names: []string{"b.example.com"}}, ""},
		{"one of its issuer that has ended", ca, ended, "expired"},
		{"one of an unknown issuer", other, bundletest.Leaf{Names: []string{"a.example.com"}}, "no root"},
		{"another one of that", other, bundletest.Leaf{Names: []string{"b.example.com"}}, "no root"},
		{"one whose names its root may sign", limited, bundletest.Leaf{Names: []string{"a.example.com"}}, ""},
		{"one whose names it may not", limited, bundletest.Leaf{Names: []string{"b.example.com"}}, "not permitted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, store := tt.ca.Issue(t, tt.leaf), bundle.Open(t.TempDir())
			id, err := store.Put(b)
			if err != nil {
				t.Fatal(err)
			}
			leaf, untrusted, err := trust.Stored(store.Path(id), now)
			if err != nil || !leaf.Equal(b.Leaf) {
				t.Fatal(err)
			}
			wantError(t, untrusted, tt.why)
			wantError(t, b.Trusted(roots, now), tt.why)
		})
	}
}

// fault 136
func TestTheNewestCertificateIsTheOneThatWasMadeLast(t *testing.T) {
	ca, begin := bundletest.NewCA(t, "One"), time.Now()
	leaf := func(from, days int) *x509.Certificate {
		start := begin.AddDate(0, 0, from)
		return ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: start, NotAfter: start.AddDate(0, 0, days)}).Leaf
	}
	for _, tt := range []struct {
		name      string
		one, than *x509.Certificate
		want      bool
	}{
		{"made later", leaf(1, 90), leaf(0, 90), true},
		{"made later, and ends sooner", leaf(1, 47), leaf(0, 200), true},
		{"made earlier, and ends later", leaf(0, 398), leaf(1, 90), false},
		{"made at the same time, and ends later", leaf(0, 91), leaf(0, 90), true},
		{"the same times", leaf(0, 90), leaf(0, 90), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := bundle.Newer(tt.one, tt.than); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
