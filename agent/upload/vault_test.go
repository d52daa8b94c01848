package upload

import (
	"regexp"
	"strings"
	"testing"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

func TestTheNameOfAnUploadIsOneThatCASTakes(t *testing.T) {
	const version = "20261123-0123456789ab"
	allowed := regexp.MustCompile(`^[A-Za-z0-9_]{1,63}$`)
	for _, tt := range []struct {
		name, certificate string
		n                 int
		want              string
	}{
		{"it has the certificate's name and the version", "www", 1, "www_20261123_0123456789ab"},
		{"a second one has its number", "www", 2, "www_20261123_0123456789ab_2"},
		{"other characters are underscores", "www.my-shop.com", 1, "www_my_shop_com_20261123_0123456789ab"},
		{"the longest is whole", strings.Repeat("a", 41), 1, strings.Repeat("a", 41) + "_20261123_0123456789ab"},
		{"the version stays whole", strings.Repeat("b", 41) + "cd", 1, strings.Repeat("b", 41) + "_20261123_0123456789ab"},
		{"and so does the number", strings.Repeat("b", 127), 12, strings.Repeat("b", 38) + "_20261123_0123456789ab_12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Name(tt.certificate, version, tt.n); got != tt.want || !allowed.MatchString(got) {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestAnEntryIsLookedAtWhereItMayBeTheLeaf(t *testing.T) {
	leaf := bundletest.NewCA(t, "test").Issue(t, bundletest.Leaf{Names: []string{"www.example.com"}}).Leaf
	print := bundle.SHA1(leaf)
	for _, tt := range []struct {
		name  string
		entry Entry
		want  bool
	}{
		{"its fingerprint is the leaf's", Entry{Fingerprint: print}, true},
		{"so it is in capital letters", Entry{Fingerprint: strings.ToUpper(print)}, true},
		{"its fingerprint is another's", Entry{Fingerprint: strings.Repeat("ab", 20)}, false},
		{"no fingerprint is told", Entry{}, true},
		{"the fingerprint is of another kind", Entry{Fingerprint: strings.Repeat("ab", 32)}, true},
		{"its key is not there", Entry{Fingerprint: print, Keyless: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.entry.mayBe(leaf); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
