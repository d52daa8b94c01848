package config

import (
	"slices"
	"strings"
	"testing"
)

func TestAPackageIsForNamesOfOneKind(t *testing.T) {
	for _, tt := range []struct {
		name, certificate, account string
		wrong                      string // the key that is refused, or ""
	}{
		{"one name", `domains = ["a.example.com"]`, "", ""},
		{"five names", `domains = ["a.example.com", "b.example.com", "c.example.com", "d.example.com", "e.example.com"]`, "", ""},
		{"six names", `domains = ["a.example.com", "b.example.com", "c.example.com", "d.example.com", "e.example.com", "f.example.com"]`, "", "domains"},
		{"a wildcard and its parent, which comes along", `domains = ["a.example.com", "*.a.example.com"]`, "", ""},
		{"a wildcard and another name", `domains = ["b.example.com", "*.a.example.com"]`, "", "domains"},
		{"an instance, too", "domains = [\"a.example.com\"]\ninstances = [\"cas-1\"]", "", "package"},
		{"test instances, too", "domains = [\"a.example.com\"]\ntest_instances = true", "", "package"},
		{"an account of the older API", `domains = ["a.example.com"]`, `cas_api = "2018-07-13"`, "package"},
		{"an account of the newer API", `domains = ["a.example.com"]`, `cas_api = "2020-04-07"`, ""},
		{"nothing that is ordered", "domains = [\"a.example.com\"]\nfollow = true", "", "package"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(sound, `domains = ["shop.example.com"]`, tt.certificate+"\npackage = \"digicert-free-1-free\"", 1)
			_, err := load(t, strings.Replace(text, "[account.main]", "[account.main]\n"+tt.account, 1))
			if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), "certificate[1]."+tt.wrong) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheParentOfAWildcardIsNotAskedFor(t *testing.T) {
	asked := WithoutParents([]string{"example.com", "*.example.com", "www.example.org", "*.shop.example.com"})
	if !slices.Equal(asked, []string{"*.example.com", "www.example.org", "*.shop.example.com"}) {
		t.Errorf("got %q", asked)
	}
}
