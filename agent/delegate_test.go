package agent

import (
	"context"
	"strings"
	"testing"
	"time"

	"dvagent/dnsvalidate"
	"dvagent/internal/sandbox"
)

// delegating is a world where example.com's validation name is a CNAME.
func delegating(t *testing.T, target string) *world {
	t.Helper()
	w := newWorld(t, sandbox.Options{Zones: []string{"example.com", "example.net"}})
	if _, err := w.sandbox.AddRecord("example.com", "_dnsauth", "CNAME", target); err != nil {
		t.Fatal(err)
	}
	w.dns = "delegate = [\"example.net\"]\n"
	return w
}

// added returns the RR and zone of each AddDomainRecord so far.
func (w *world) added() string {
	var all []string
	for _, r := range w.sandbox.History() {
		if r.Action == "AddDomainRecord" {
			all = append(all, r.Params["RR"]+" in "+r.Params["DomainName"])
		}
	}
	return strings.Join(all, ", ")
}

// fault 41
func TestTheRecordGoesWhereACNAMELeads(t *testing.T) {
	t.Parallel()
	w := delegating(t, "site7.acme.example.net")
	if _, err := w.sandbox.AddRecord("example.net", "site7.acme", "TXT", "of someone else"); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	if got := w.added(); got != "site7.acme in example.net" {
		t.Errorf("added %s", got)
	}
	left := w.sandbox.Records("example.net")
	if len(left) != 1 || left[0].Value != "of someone else" {
		t.Errorf("left in example.net: %+v", left)
	}
	if left := w.sandbox.Records("example.com"); len(left) != 1 || left[0].Type != "CNAME" {
		t.Errorf("left in example.com: %+v", left)
	}
}

// fault 41
func TestTwoCNAMEsAreFollowed(t *testing.T) {
	t.Parallel()
	w := delegating(t, "a.example.net")
	if _, err := w.sandbox.AddRecord("example.net", "a", "CNAME", "b.example.net"); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	if got := w.added(); got != "b in example.net" {
		t.Errorf("added %s", got)
	}
}

// A zone that no account hosts can still lead into one of ours.
func TestTheRecordOfAZoneOfOthersGoesWhereItsCNAMELeads(t *testing.T) {
	t.Parallel()
	w := delegating(t, "site7.example.net")
	a := w.agent()
	zones, err := a.zonesOf(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	a.zones["main"].zones = dnsvalidate.Zones{zones[1]}
	if zones[1].Name != "example.net" {
		t.Fatal(zones)
	}
	outcomes, err := a.Renew(context.Background(), Renewal{Timeout: 30 * time.Second, LockWait: time.Second, Who: "test"})
	if err != nil || outcomes[0].Class != Served {
		t.Fatal(outcomes, err)
	}
	if got := w.added(); got != "site7 in example.net" {
		t.Errorf("added %s", got)
	}
}

// What was asked for without an answer is found where the CNAME led, though it
// leads nowhere any more.
func TestARecordAtTheTargetIsRemovedThoughTheCNAMEIsGone(t *testing.T) {
	t.Parallel()
	w := delegating(t, "site7.example.net")
	if err := w.sandbox.SetFaults(mustFault(t, "checking-forever"), mustFault(t, "lose-answer:AddDomainRecord:1")); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{NoWait: true}); o.Class != Pending {
		t.Fatalf("%+v", o)
	}
	for _, r := range w.sandbox.Records("example.com") {
		if err := w.sandbox.DeleteRecord(r.RecordID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.agent().Abandon(context.Background(), "example.com", time.Second, "test"); err != nil {
		t.Fatal(err)
	}
	if left := w.sandbox.Records("example.net"); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}
