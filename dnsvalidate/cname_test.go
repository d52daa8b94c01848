package dnsvalidate

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dvagent/dnsvalidate/dnstest"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// testTarget is the value of the CNAME that proves.
const testTarget = "k2x1r.proof.example.net"

func cnameQuestion() Question {
	return Question{Zone: testZone, Name: testName, Type: "CNAME", Value: testTarget}
}

// pointed is the zone with the CNAME as it should be.
func pointed() reply { return zoneWith(2, cname(testName, testTarget)) }

func cname(name, target string) string { return fmt.Sprintf("%s 600 CNAME %s.", name, target) }

// wantedCNAME is the CNAME that the tests publish.
func wantedCNAME(value string) Record {
	record := wanted()
	record.Type, record.Value = "CNAME", value
	return record
}

func TestACNAMEIsPublishedFoundAgainAndRemoved(t *testing.T) {
	for _, value := range []string{testTarget, "K2X1R.Proof.example.NET."} {
		t.Run(value, func(t *testing.T) {
			s, client := cloud(t)
			record := wantedCNAME(value)
			presence, err := Present(t.Context(), client, publication(record, false, accepted))
			if got := s.Records(testZone); err != nil || !presence.Ours || len(got) != 1 || got[0].Type != "CNAME" || got[0].Value != testTarget {
				t.Fatalf("%+v, %v: the zone holds %+v", presence, err, got)
			}
			again, err := Present(t.Context(), client, publication(record, true, accepted))
			if err != nil || again != presence {
				t.Errorf("%+v, %v", again, err)
			}
			if record.RecordID, err = Find(t.Context(), client, record); err != nil || record.RecordID != presence.RecordID {
				t.Errorf("found %q, %v", record.RecordID, err)
			}
			if err := Remove(t.Context(), client, record); err != nil || len(s.Records(testZone)) != 0 {
				t.Errorf("%v: the zone holds %+v", err, s.Records(testZone))
			}
		})
	}
}

func TestWhatStandsAtTheNameOfACNAMEServesOrIsInTheWay(t *testing.T) {
	tests := []struct {
		name, recordType, value string
		change                  func(*aliyun.Record)
		conflict                string // "" for none
	}{
		{"the same CNAME serves", "CNAME", testTarget, func(*aliyun.Record) {}, ""},
		{"its spelling does not matter", "CNAME", testTarget, func(r *aliyun.Record) { r.Value = "K2x1r.PROOF.example.net." }, ""},
		{"another CNAME is in the way", "CNAME", "x.example.org", func(*aliyun.Record) {},
			`no CNAME can be added at _dnsauth.example.com beside the CNAME record "x.example.org"`},
		{"a TXT record is in the way", "TXT", testTarget, func(*aliyun.Record) {},
			`no CNAME can be added at _dnsauth.example.com beside the TXT record "k2x1r.proof.example.net"`},
		{"an address is in the way", "A", "192.0.2.1", func(*aliyun.Record) {},
			`no CNAME can be added at _dnsauth.example.com beside the A record "192.0.2.1"`},
		{"a record on another line is in the way", "CNAME", "x.example.org", func(r *aliyun.Record) { r.Line = "telecom" },
			`no CNAME can be added at _dnsauth.example.com beside the CNAME record "x.example.org"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, client := cloud(t)
			id := seed(t, s, "_dnsauth", test.recordType, test.value)
			before := s.Records(testZone)
			presence, err := Present(t.Context(), altered{client, test.change}, publication(wantedCNAME(testTarget), false, func() error {
				return errors.New("an add was about to be sent")
			}))
			conflict, found := errors.AsType[*ConflictError](err)
			switch {
			case test.conflict == "" && (err != nil || presence != (Presence{RecordID: id})):
				t.Errorf("%+v, %v", presence, err)
			case test.conflict != "" && (!found || conflict.Error() != test.conflict || hint.Of(err) == ""):
				t.Errorf("%v, hint %q", err, hint.Of(err))
			}
			if !reflect.DeepEqual(s.Records(testZone), before) {
				t.Errorf("the zone holds %+v", s.Records(testZone))
			}
		})
	}
}

func TestADisabledRecordIsNotInTheWayOfACNAME(t *testing.T) {
	s, client := cloud(t)
	seed(t, s, "_dnsauth", "TXT", "x")
	disabled := altered{client, func(r *aliyun.Record) { r.Status = "DISABLE" }}
	if records, err := Standing(t.Context(), disabled, wantedCNAME(testTarget)); err != nil || len(records) != 1 {
		t.Errorf("%+v, %v", records, err)
	}
}

func TestBeforeTheValueIsKnownACNAMEMayBeTheOne(t *testing.T) {
	for recordType, inTheWay := range map[string]bool{"CNAME": false, "TXT": true} {
		t.Run(recordType, func(t *testing.T) {
			s, client := cloud(t)
			seed(t, s, "_dnsauth", recordType, "x.example.org")
			if _, err := Standing(t.Context(), client, wantedCNAME("")); (err != nil) != inTheWay {
				t.Error(err)
			}
		})
	}
}

func TestOnlyATXTRecordOrACNAMECanProve(t *testing.T) {
	tests := []struct {
		name, recordType, value, says string
	}{
		{"another type", "MX", "10 mx.example.net", `it is neither TXT nor CNAME, but "MX"`},
		{"a CNAME to no host", "CNAME", "a b.example.net", `a CNAME cannot lead to "a b.example.net"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, client := cloud(t)
			record := wanted()
			record.Type, record.Value = test.recordType, test.value
			_, err := Present(t.Context(), client, publication(record, false, accepted))
			if err == nil || !strings.Contains(err.Error(), test.says) || len(s.History()) != 0 {
				t.Errorf("%v after %q", err, actions(s))
			}
			q := Question{Zone: testZone, Name: testName, Type: test.recordType, Value: test.value}
			if _, err := NewProver(Settings{}).Look(t.Context(), q); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Error(err)
			}
		})
	}
}

func TestOnlyACNAMEToTheValueIsVisible(t *testing.T) {
	tests := []struct {
		name, value string
		answer      reply
		want        string
	}{
		{"a server with the CNAME shows it", testTarget, pointed(), "visible"},
		{"capitals and the trailing dot do not matter", "K2X1R.proof.Example.Net.", pointed(), "visible"},
		{"a server without it does not yet", testTarget, zoneWith(7), "not yet (serial 7)"},
		{"a CNAME elsewhere is named, and not followed", testTarget,
			zoneWith(7, cname(testName, "x.example.net"), cname("x.example.net", testTarget)), "not yet (CNAME to x.example.net)"},
		{"a TXT record is none", testTarget, zoneWith(7, txt(testName, testTarget)), "not yet (serial 7)"},
		{"a CNAME at another name does not count", testTarget, zoneWith(7, cname("www.example.com", testTarget)), "not yet (serial 7)"},
		{"a denial counts more than what it carries", testTarget, changed(pointed(), func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), "not yet"},
		{"a CNAME that is gone at the second look", testTarget, inTurn(pointed(), zoneWith(3)), "flapping (not yet at the second look)"},
		{"a refusal is one all the same", testTarget, withCode(dns.RcodeRefused), "refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address := serve(t, "127.0.0.1", "0", test.answer)
			q := cnameQuestion()
			q.Value = test.value
			verdict := lookFor(t, Settings{NameServers: []string{address}, Delegate: []string{"example.net"}}, q)
			got := strings.TrimPrefix(verdict.Servers[0].String(), address+" ")
			if got != test.want || verdict.Visible != (test.want == "visible") || verdict.Name != testName {
				t.Errorf("said %q (visible %t), want %q", got, verdict.Visible, test.want)
			}
		})
	}
}

func TestPublicResolversAreAskedForTheCNAME(t *testing.T) {
	tests := []struct {
		name     string
		resolver reply
		want     State
		visible  bool
	}{
		{"one that shows it", pointed(), stateVisible, true},
		{"a negative cache holds up nothing", zoneWith(1), stateCached, true},
		{"an old target in a cache holds up nothing", zoneWith(1, cname(testName, "x.example.net")), stateCached, true},
		{"broken DNSSEC is the CA's too", func(query *dns.Msg) *dns.Msg {
			if query.CheckingDisabled {
				return pointed()(query)
			}
			return withCode(dns.RcodeServerFailure)(query)
		}, stateBogus, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict := lookFor(t, Settings{
				NameServers:     []string{serve(t, "127.0.0.1", "0", pointed())},
				PublicResolvers: []string{serve(t, "127.0.0.2", "0", test.resolver)},
			}, cnameQuestion())
			if len(verdict.Resolvers) != 1 || verdict.Resolvers[0].State != test.want || verdict.Visible != test.visible {
				t.Errorf("visible %t: %s", verdict.Visible, verdict)
			}
		})
	}
}

func TestACNAMEInBINDIsSeenWhereverItLeads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		zone dnstest.Zone
		want string
	}{
		{"to a name that nobody here serves", dnstest.Zone{Name: "away.example", Records: []string{"_dnsauth CNAME " + testTarget + "."}}, "visible"},
		{"no CNAME in the zone", dnstest.Zone{Name: "empty.example"}, "not yet (serial 1)"},
		{"a TXT record in its place", dnstest.Zone{Name: "txt.example", Records: []string{`_dnsauth TXT "x"`}}, "not yet (serial 1)"},
		{"to another CNAME", dnstest.Zone{Name: "chain.example", Records: []string{"_dnsauth CNAME x", "x CNAME " + testTarget + "."}}, "not yet (CNAME to x.chain.example)"},
		{"a wildcard masks the name", dnstest.Zone{Name: "masked.example", Records: []string{"* CNAME x.example.net."}}, "not yet (CNAME to x.example.net)"},
		{"a wildcard gives way to the record", dnstest.Zone{Name: "unmasked.example", Records: []string{"* CNAME x.example.net.", "_dnsauth CNAME " + testTarget + "."}}, "visible"},
	}
	var zones []dnstest.Zone
	for _, test := range tests {
		zones = append(zones, test.zone)
	}
	server := dnstest.BIND(t, zones...)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := Question{Zone: test.zone.Name, Name: "_dnsauth." + test.zone.Name, Type: "CNAME", Value: testTarget}
			verdict := lookFor(t, Settings{NameServers: []string{server.Address}}, q)
			got := strings.TrimPrefix(verdict.Servers[0].String(), server.Address+" ")
			if got != test.want || verdict.Visible != (test.want == "visible") {
				t.Errorf("said %q (visible %t), want %q", got, verdict.Visible, test.want)
			}
		})
	}
}

func TestATraceOfACNAMETellsItsTargets(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		answer      reply
		want        string
	}{
		{"it is visible", testTarget, pointed(), "1 of 1 visible"},
		{"none is shown", "", zoneWith(7), "no CNAME record is shown; there is no value to look for"},
		{"one is shown", "", pointed(), "shown is " + testTarget + "; there is no value to look for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := serve(t, "127.0.0.1", "0", tt.answer)
			q := cnameQuestion()
			q.Value = tt.value
			trace, err := NewProver(Settings{Resolvers: []string{address}, NameServers: []string{address}, PublicResolvers: []string{address}}).
				Trace(t.Context(), q)
			if err != nil || trace.String() != tt.want || len(trace.CNAMEs) > 0 {
				t.Errorf("%s, %+v, %v", trace, trace.CNAMEs, err)
			}
			last := transcript(trace.Exchanges[len(trace.Exchanges)-1:])[0]
			if !strings.HasPrefix(last, "public resolver (127.0.0.1) UDP CNAME _dnsauth.example.com: ") {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

func TestACNAMEIsInTheWayOfATXTRecordAlone(t *testing.T) {
	for recordType, want := range map[string]int{"": 1, "TXT": 1, "CNAME": 0} {
		t.Run(recordType, func(t *testing.T) {
			settings := Settings{
				NameServers: []string{serve(t, "127.0.0.1", "0", pointed())},
				Resolvers:   []string{serve(t, "127.0.0.1", "0", sound())},
			}
			findings, err := NewProver(settings).NewPreflight().Look(t.Context(), Expectation{Zone: assigned(), Name: testName, Type: recordType})
			if err != nil || len(findings) != want {
				t.Errorf("%+v, %v", findings, err)
			}
		})
	}
}
