package agent

import (
	"fmt"
	"strings"
	"testing"

	"dvagent/internal/sandbox"
)

// fault 137
func TestAnInstanceThatIsListedInVainIsFoundBeforeAnOrder(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		if o.name == "package" {
			return // it lists none
		}
		w := o.newWorld(t, sandbox.Options{IssueAfter: 1})
		w.renewed(Renewal{})
		var used, free string
		for _, s := range w.sandbox.Instances() {
			if strings.EqualFold(s.Status, "PAYED") {
				free = s.InstanceID
			} else {
				used = s.InstanceID
			}
		}
		other := "\n[[certificate]]\nname = \"shop\"\ndomains = [\"shop.example.com\"]\ninstances = [%q]\n"
		for _, tt := range []struct{ name, extra, want string }{
			{"it is not there", fmt.Sprintf(other, "cas-cn-nowhere"), "the account has no DV instance cas-cn-nowhere"},
			{"it is another's", fmt.Sprintf(other, used), "instance " + used},
			{"it is listed for two", fmt.Sprintf("instances = [%q]\n", free) + fmt.Sprintf(other, free), "is listed for example.com, too"},
			{"it is free", fmt.Sprintf(other, free), ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := *w
				w.T, w.extra = t, tt.extra
				var found string
				for _, finding := range w.check().Online(t.Context()) {
					if finding.Err != nil && !finding.Warning {
						found += finding.Err.Error() + "\n"
					}
				}
				if tt.want == "" && strings.Contains(found, "instance") || !strings.Contains(found, tt.want) {
					t.Errorf("found %q", found)
				}
			})
		}
	})
}
