package agent

import (
	"net"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// record puts someone's record into example.com.
func (w *world) record(rr, kind, value string) (recordID string) {
	w.Helper()
	id, err := w.sandbox.AddRecord("example.com", rr, kind, value)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// What would fail the validation is said while no instance is claimed, and the
// order is placed once it is mended.
func TestWhatWouldFailTheValidationIsSaidBeforeAnInstanceIsClaimed(t *testing.T) {
	for _, tt := range []struct {
		name, rr, kind, value string
		fault                 string
		says                  string
	}{
		{"CAA forbids every CA", "@", "CAA", `0 issue "letsencrypt.org"`, "", "CAA of example.com does not let"},                           // fault 49
		{"a CNAME leads elsewhere", "_dnsauth", "CNAME", "x.example.org", "", `a CNAME to "x.example.org" stands at _dnsauth.example.com`}, // fault 41
		{"the records cannot be read", "", "", "", "forbidden:DescribeSubDomainRecords", "alidns:DescribeSubDomainRecords"},                // fault 13
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			id := ""
			if tt.kind != "" {
				id = w.record(tt.rr, tt.kind, tt.value)
			} else {
				w.faults(tt.fault)
			}
			o := w.renew(Renewal{})
			if o.Class != state.Failure || o.Hint() == "" || !strings.Contains(o.Err.Error()+o.Hint(), tt.says) {
				t.Errorf("%+v", o)
			}
			if calls := w.calls(); calls["CreateDVOrderAudit"]+calls["AddDomainRecord"] > 0 || w.instancesUsed() > 0 {
				t.Errorf("%v, %d instances used", calls, w.instancesUsed())
			}
			w.faults()
			if id != "" {
				if err := w.sandbox.DeleteRecord(id); err != nil {
					t.Fatal(err)
				}
			}
			w.renewed(Renewal{})
		})
	}
}

// fault 159
func TestACAAThatMayLetTheCAIssueStopsNoOrder(t *testing.T) {
	for _, tt := range []struct{ name, value, configured, fails string }{
		{"a name that the CA honours beside its own", `0 issue "cybertrust.ne.jp"`, "", ""},
		{"a name that is unknown is left to the CA", `0 issue "ca.example"`, "", "the CA"},
		{"a name that is configured is left to it too", `0 issue "ca.example"`, "caa_issuers = [\"ca.example\"]\n", "the CA"},
		{"a name of another CA", `0 issue "letsencrypt.org"`, "", "CAA of example.com does not let"},
		{"a name of another CA that is configured", `0 issue "letsencrypt.org"`, "caa_issuers = [\"letsencrypt.org\"]\n", "the CA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.dns = tt.configured
			w.record("@", "CAA", tt.value)
			o := w.renew(Renewal{})
			if tt.fails == "" {
				if o.Err != nil {
					t.Errorf("%+v", o)
				}
				return
			}
			placed := w.calls()["CreateDVOrderAudit"] > 0
			if o.Class != state.Failure || placed != (tt.fails == "the CA") || !placed && !strings.Contains(o.Err.Error(), tt.fails) {
				t.Errorf("placed %t: %+v", placed, o)
			}
		})
	}
}

// A zone is looked at once in a pass, whatever many certificates lie in it.
func TestTheCertificatesOfAPassShareTheirPreflight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.record("@", "CAA", `0 issue "letsencrypt.org"`)
	w.extra = "\n[[certificate]]\nname = \"shop\"\ndomains = [\"shop.example.com\"]\n"
	outcomes, err := w.agent().Renew(t.Context(), Renewal{NoWait: true, Timeout: time.Minute, Caller: tester})
	if err != nil || len(outcomes) != 2 {
		t.Fatal(outcomes, err)
	}
	for _, outcome := range outcomes {
		if outcome.Class != state.Failure || !strings.Contains(outcome.Err.Error(), "CAA of example.com") {
			t.Errorf("%+v", outcome)
		}
	}
	if calls := w.calls(); calls["DescribeDomains"] != 1 || calls["DescribeSubDomainRecords"] != 2 {
		t.Errorf("%v", calls)
	}
}

// silent is a name server that takes questions and answers none.
func silent(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// fault 35: neither the look before the order nor the one after it is a gate.
func TestAnIssuedOrderWinsOverNameServersThatAreSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.nameServers = `["` + silent(t) + `"]`
	var said []string
	w.onProgress(func(p state.Progress) { said = append(said, p.Text) })
	w.renewed(Renewal{})
	if text := strings.Join(said, "\n"); !strings.Contains(text, "warning: no name server of example.com answers with authority") {
		t.Error(text)
	}
}

// fault 35
func TestAQuorumLeavesASilentServerOutAfterTenSecondsAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	deaf := silent(t)
	w.nameServers = `["` + w.sandbox.Ready().DNS[0] + `", "` + deaf + `"]`
	w.dns = "quorum = \"50%\"\n"
	var said []string
	w.onProgress(func(p state.Progress) { said = append(said, p.Text) })
	begun := time.Now()
	if o := w.renew(Renewal{Timeout: 20 * time.Second}); o.Class != state.Pending || o.Step != "issue" {
		t.Errorf("%+v", o)
	}
	want := "enough name servers show the record by the quorum; left out: " + deaf + " silent"
	if text := strings.Join(said, "\n"); !strings.Contains(text, want) || time.Since(begun) < 10*time.Second {
		t.Errorf("after %s:\n%s", time.Since(begun), text)
	}
}
