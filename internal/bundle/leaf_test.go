package bundle_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"dvagent/internal/bundle"
)

func TestTheLastTenthOfALifetime(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name              string
		lifetime, usedFor time.Duration
	}{
		{"of ninety days is nine", 90 * 24 * time.Hour, 81 * 24 * time.Hour},
		{"of ten hours is one", 10 * time.Hour, 9 * time.Hour},
		{"of nothing is its end", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := &x509.Certificate{NotBefore: start, NotAfter: start.Add(tt.lifetime)}
			if got := bundle.LastTenth(leaf.NotBefore, leaf.NotAfter); !got.Equal(start.Add(tt.usedFor)) {
				t.Errorf("it begins at %s", got)
			}
		})
	}
}

func TestAWildcardCoversOneLabel(t *testing.T) {
	names := []string{"example.com", "*.Example.com", "*.xn--bcher-kva.example", "www.example.net"}
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"example.com", true},
		{"EXAMPLE.com.", true},
		{"www.example.com", true},
		{"WWW.EXAMPLE.COM", true},
		{"*.example.com", true},
		{"a.www.example.com", false},
		{".example.com", false},
		{"wwwexample.com", false},
		{"www.xn--bcher-kva.example", true},
		{"xn--bcher-kva.example", false},
		{"www.example.net", true},
		{"*.example.net", false},
		{"example.net", false},
		{"example", false},
		{"*", false},
		{"", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := bundle.CoversName(names, tt.name); got != tt.want {
				t.Errorf("got %v", got)
			}
			leaf := &x509.Certificate{DNSNames: names}
			if got := bundle.Covers(leaf, tt.name); got != tt.want {
				t.Errorf("a leaf: got %v", got)
			}
			if theirs := leaf.VerifyHostname(tt.name) == nil; theirs != tt.want && !strings.HasPrefix(tt.name, "*") {
				t.Errorf("a client of Go says %v", theirs)
			}
		})
	}
}
