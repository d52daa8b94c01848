package agent

import (
	"regexp"
	"strings"
	"testing"

	"dvagent/agent/check"
	"dvagent/agent/order"
	"dvagent/internal/hint"
	"dvagent/internal/sandbox"
)

func (w *world) writeTest(c *check.Check) []check.Finding {
	w.Helper()
	findings, err := c.WriteTest(w.Context(), tester)
	if err != nil {
		w.Fatal(err)
	}
	return findings
}

func (w *world) owes() []order.OwedRecord {
	w.Helper()
	owed, err := order.LoadOwed(w.where().Records())
	if err != nil {
		w.Fatal(err)
	}
	return owed.All()
}

func TestAWriteTestLeavesNoRecordBehindThatNobodyOwes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		faults     []string
		says, hint string // "" where the zone can be written to
		owes       bool
	}{
		{"when all is well", nil, "", "", false},
		// fault 13
		{"when records may not be read", []string{"forbidden:DescribeSubDomainRecords"}, "DescribeSubDomainRecords: Forbidden.RAM", "alidns:DescribeSubDomainRecords", false},
		{"when none may be added", []string{"forbidden:AddDomainRecord"}, "AddDomainRecord: Forbidden.RAM", "alidns:AddDomainRecord", false},
		// fault 48
		{"when none may be deleted", []string{"forbidden:DeleteDomainRecord"}, "is still owed, and the next renew or run removes it", "alidns:DeleteDomainRecord", true},
		// fault 2
		{"when the add is applied and its answer lost", []string{"lose-answer:AddDomainRecord"}, "AddDomainRecord: Unanswered", "", false},
		// fault 3
		{"when the add is lost", []string{"drop-request:AddDomainRecord"}, "AddDomainRecord: Unanswered", "", false},
		{"when the delete is applied and its answer lost", []string{"lose-answer:DeleteDomainRecord"}, "is still owed", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			foreign := "_dvagent-probe-00000000=of someone else"
			if _, err := w.sandbox.AddRecord("example.com", "_dvagent-probe-00000000", "TXT", "of someone else"); err != nil {
				t.Fatal(err)
			}
			w.faults(tt.faults...)
			findings := w.writeTest(w.check())
			if len(findings) != 1 || (findings[0].Err == nil) != (tt.says == "") {
				t.Fatalf("%+v", findings)
			}
			if err := findings[0].Err; err != nil && (!strings.Contains(err.Error(), tt.says) || !strings.Contains(hint.Of(err), tt.hint)) {
				t.Errorf("error %q, hint %q", err, hint.Of(err))
			}
			if owes := w.owes(); (len(owes) > 0) != tt.owes {
				t.Errorf("owes %+v", owes)
			}
			if !tt.owes && w.records() != foreign {
				t.Errorf("records: %s", w.records())
			}
			w.faults()
			w.renewed(Renewal{})
			if w.records() != foreign || len(w.owes()) > 0 {
				t.Errorf("after the next renewal: records %s, owes %+v", w.records(), w.owes())
			}
		})
	}
}

func TestAWriteTestTriesEachZoneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Zones: []string{"example.com", "sub.example.com", "delegated.test"}})
	w.extra = `
[[certificate]]
name = "sub"
domains = ["www.sub.example.com", "www.example.com", "elsewhere.test"]
contact = "sandbox"
`
	a := w.agent()
	a.host.Config.DNS.Settings.Delegate = []string{"acme.delegated.test", "nobodys.test"}
	tested := map[string]int{}
	for _, finding := range w.writeTest(check.New(a.host, a.accounts)) {
		zone := regexp.MustCompile(`to zone (\S+)`).FindStringSubmatch(finding.OK)
		if zone == nil {
			t.Fatalf("%+v", finding)
		}
		tested[zone[1]]++
	}
	for _, zone := range []string{"example.com", "sub.example.com", "delegated.test"} {
		if tested[zone] != 1 {
			t.Errorf("%s is tried %d times", zone, tested[zone])
		}
	}
	if calls := w.calls(); len(tested) != 3 || calls["AddDomainRecord"] != 3 || calls["DeleteDomainRecord"] != 3 {
		t.Errorf("zones %v, calls %v", tested, calls)
	}
}
