package agent

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// documented is what the docs say of orders to an account: the policies, by the
// beginning of the paragraph before each, and the page of what orders cost.
func documented(t *testing.T) (policies map[string][]string, costs string) {
	t.Helper()
	security, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	buying, err := os.ReadFile("../docs/buying.md")
	if err != nil {
		t.Fatal(err)
	}
	policies = map[string][]string{}
	block := regexp.MustCompile("(?s)\n\n([^\n]+)[^`]*?:?\n\n```json\n(\\{\"Version\".*?)```")
	for _, found := range block.FindAllStringSubmatch(string(security), -1) {
		for _, action := range regexp.MustCompile(`"\w[\w-]+:(\w+)"`).FindAllStringSubmatch(found[2], -1) {
			policies[found[1]] = append(policies[found[1]], action[1])
		}
	}
	return policies, string(buying)
}

// The docs say how many calls the orders of each kind are, and the policies are
// enough for them.
func TestTheDocsSayWhatOrdersCall(t *testing.T) {
	policies, costs := documented(t)
	for _, way := range []struct{ row, policy, look string }{
		{"an instance of today", "An instance of today", "GetInstanceDetail"},
		{"a package", "A package", "DescribeCertificateState"},
		{"an instance of 2018-07-13", "An instance of 2018-07-13", "DescribeDVOrderResult"},
	} {
		t.Run(way.row, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfPackages(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "ends-early")}})
			if way.row != "a package" {
				w.domains, w.extra = "", ""
			}
			if strings.HasSuffix(way.row, "2018-07-13") {
				w.api = ""
			}
			var counts []any
			for range 2 {
				w.renewed(Renewal{})
				calls := w.calls()
				for action := range calls {
					if !slices.Contains(slices.Concat(granted(policies, "AliDNS"), granted(policies, way.policy)), action) {
						t.Errorf("the policy does not grant %s", action)
					}
				}
				counts = append(counts, sum(calls)-calls[way.look])
				w.faults()
				w.ages(-10*time.Hour, 2*time.Hour) // due, and no other one lasts longer
			}
			if want := fmt.Sprintf("| %d, then %d |", counts...); !strings.Contains(rowOf(costs, way.row), want) {
				t.Errorf("buying.md has no %q in the row %q", want, rowOf(costs, way.row))
			}
		})
	}
}

// granted is the policy whose paragraph begins so.
func granted(policies map[string][]string, begins string) []string {
	for paragraph, actions := range policies {
		if strings.HasPrefix(paragraph, begins) {
			return actions
		}
	}
	return nil
}

// rowOf is the row of a table of four columns that begins so.
func rowOf(text, begins string) string {
	return regexp.MustCompile(`(?m)^\| ` + begins + ` \|[^|]*\|[^|]*\|[^|]*\|$`).FindString(text)
}
