package dnsvalidate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dvagent/dnsvalidate/dnstest"
)

// through answers as a real server does, at another address: named listens at
// those of interfaces alone, and the servers of a zone share a port.
func through(server *dnstest.Server) reply {
	return func(query *dns.Msg) *dns.Msg {
		response, err := dns.Exchange(query, server.Address)
		if err != nil {
			return nil
		}
		return response
	}
}

func TestWhatBINDSaysIsItsState(t *testing.T) {
	t.Parallel()
	ours := fmt.Sprintf("_dnsauth TXT %q", testValue)
	tests := []struct {
		name string
		zone dnstest.Zone
		want string
	}{
		{"a record in the zone", dnstest.Zone{Name: "sound.example", Records: []string{ours}}, "visible"},
		{"no record in the zone", dnstest.Zone{Name: "empty.example"}, "not yet (serial 1)"},
		{"a name below it makes the name exist", dnstest.Zone{Name: "nodata.example", Records: []string{"x._dnsauth A 127.0.0.1"}}, "not yet (serial 1)"},
		// fault 36
		{"the zone is refused to us", dnstest.Zone{Name: "refused.example", Records: []string{ours}, Settings: "allow-query { none; };"}, "refused"},
		// fault 37
		{"the zone is delegated onwards", dnstest.Zone{Name: "lame.example", Records: []string{"_dnsauth NS ns.invalid."}}, "lame (refers _dnsauth.lame.example to ns.invalid)"},
		{"a secondary without its primary for too long", dnstest.Zone{Name: "expired.example", Records: []string{ours}, Expired: true}, "failed (SERVFAIL)"},
		// fault 41
		{"a CNAME leads elsewhere", dnstest.Zone{Name: "alias.example", Records: []string{"_dnsauth CNAME x.example.net."}}, "CNAME to x.example.net"},
		{"a DNAME of the zone leads elsewhere", dnstest.Zone{Name: "dname.example", Records: []string{"@ DNAME example.net."}}, "CNAME to _dnsauth.example.net"},
		// fault 42
		{"a wildcard masks the name", dnstest.Zone{Name: "masked.example", Records: []string{`* TXT "v=spf1 -all"`}}, "not yet (1 other value)"},
		{"a wildcard gives way to the record", dnstest.Zone{Name: "unmasked.example", Records: []string{`* TXT "v=spf1 -all"`, ours}}, "visible"},
	}
	var zones []dnstest.Zone
	for _, test := range tests {
		zones = append(zones, test.zone)
	}
	server := dnstest.BIND(t, zones...)
	prover := NewProver(Settings{NameServers: []string{server.Address}})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict, err := prover.Look(t.Context(), Question{Zone: test.zone.Name, Name: "_dnsauth." + test.zone.Name, Value: testValue})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.TrimPrefix(verdict.Servers[0].String(), server.Address+" ")
			if got != test.want || verdict.Visible != (test.want == "visible") {
				t.Errorf("said %q (visible %t), want %q", got, verdict.Visible, test.want)
			}
		})
	}
}

// fault 32
func TestABINDSecondaryIsStaleUntilItCatchesUp(t *testing.T) {
	t.Parallel()
	primary := dnstest.BIND(t, dnstest.Zone{Name: testZone})
	secondary := dnstest.BIND(t, dnstest.Zone{Name: testZone, Primary: primary})
	secondary.Serial(testZone, 1)
	primary.Update(testZone, nil, []string{txt(testName, testValue)})

	settings := Settings{NameServers: []string{primary.Address, secondary.Address}}
	want := secondary.Address + " stale (serial 1, others have 2); 1 of 2 visible"
	if verdict := look(t, settings); verdict.Visible || verdict.String() != want {
		t.Errorf("got  %s\nwant %s", verdict, want)
	}
	secondary.Notify(testZone)
	secondary.Serial(testZone, 2)
	if verdict := look(t, settings); !verdict.Visible {
		t.Error(verdict)
	}
}

// fault 41
func TestTheAbsenceThatBINDTellsOfChangesItsKind(t *testing.T) {
	t.Parallel()
	server := dnstest.BIND(t, dnstest.Zone{Name: testZone})
	settings := Settings{NameServers: []string{server.Address}}
	for _, step := range []struct{ insert, kind, want string }{
		{"x.example.com A 127.0.0.1", "NXDOMAIN", "not yet (serial 2)"},
		{testName + " A 127.0.0.1", "NOERROR", "not yet (serial 3)"},
		{txt(testName, testValue), "NOERROR", "visible"},
	} {
		server.Update(testZone, nil, []string{step.insert})
		if kind := dns.RcodeToString[server.Ask(testName, dns.TypeTXT).Rcode]; kind != step.kind {
			t.Errorf("BIND says %s after %s, want %s", kind, step.insert, step.kind)
		}
		if got := look(t, settings).Servers[0]; !strings.HasSuffix(got.String(), " "+step.want) {
			t.Errorf("after %s it is %s, want %s", step.insert, got, step.want)
		}
	}
}

// faults 33, 40 and 47
func TestAmongManyLongValuesOfBINDOursIsFoundOverTCP(t *testing.T) {
	t.Parallel()
	var foreign []string
	for i := range 60 {
		foreign = append(foreign, fmt.Sprintf("%s 600 TXT %q %q", testName, strings.Repeat("a", 255), fmt.Sprint("of someone else ", i)))
	}
	server := dnstest.BIND(t, dnstest.Zone{Name: testZone})
	settings := Settings{NameServers: []string{server.Address}}
	server.Update(testZone, nil, foreign)
	if answer := server.Ask(testName, dns.TypeTXT); !answer.Truncated {
		t.Fatalf("not truncated: %d values", len(answer.Answer))
	}
	if got := look(t, settings).Servers[0]; got.State != stateNotYet || got.Detail != "60 other values" {
		t.Errorf("before the record: %s", got)
	}
	server.Update(testZone, nil, []string{txt(testName, testValue)})
	if verdict := look(t, settings); !verdict.Visible {
		t.Error(verdict)
	}
}

// fault 35
func TestABINDThatHangsIsSilentUntilItGoesOn(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{Name: testZone, Records: []string{fmt.Sprintf("_dnsauth TXT %q", testValue)}}
	sound, hanging := dnstest.BIND(t, zone), dnstest.BIND(t, zone)
	settings := Settings{NameServers: []string{sound.Address, hanging.Address}}
	hanging.Pause()
	if verdict := look(t, settings); verdict.Visible || verdict.String() != hanging.Address+" silent; 1 of 2 visible" {
		t.Error(verdict)
	}
	hanging.Resume()
	if verdict := look(t, settings); !verdict.Visible {
		t.Error(verdict)
	}
}

// fault 41
func TestACNAMEInBINDIsFollowedWhereItIsDelegated(t *testing.T) {
	t.Parallel()
	const target = "_ours.acme.example.net"
	ours := fmt.Sprintf("_ours TXT %q", testValue)
	tests := []struct {
		name     string
		cname    string
		delegate []string
		visible  bool
		at       string
		says     string
	}{
		{"into a zone that is delegated", target, []string{"acme.example.net"}, true, target, "1 of 1 visible"},
		{"into any other it is reported", target, []string{"example.org"}, false, testName, "CNAME to " + target},
		{"into a loop it ends", "loop.acme.example.net", []string{"acme.example.net", testZone}, false, "loop.acme.example.net", "the CNAMEs end nowhere"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := dnstest.BIND(t,
				dnstest.Zone{Name: testZone, Records: []string{"_dnsauth CNAME " + test.cname + "."}},
				dnstest.Zone{Name: "acme.example.net", Records: []string{ours, "loop CNAME " + testName + "."}})
			verdict := look(t, Settings{NameServers: []string{server.Address}, Delegate: test.delegate})
			if verdict.Visible != test.visible || verdict.Name != test.at || !strings.Contains(verdict.String(), test.says) {
				t.Errorf("visible %t at %s: %s", verdict.Visible, verdict.Name, verdict)
			}
		})
	}
}

// delegated is a top level domain of BIND's that delegates the zone, with glue.
func delegated(t *testing.T, glue ...string) *dnstest.Server {
	t.Helper()
	return dnstest.BIND(t, dnstest.Zone{Name: "com", Records: slices.Concat(
		[]string{"@ NS ns.nic", "ns.nic A 127.0.0.8"}, glue)})
}

// fault 44
func TestParentAndChildInBINDDiffer(t *testing.T) {
	t.Parallel()
	parent := delegated(t, "example NS ns1.example", "ns1.example A 127.0.0.1", "example NS ns2.example", "ns2.example A 127.0.0.2")
	child := dnstest.BIND(t, dnstest.Zone{Name: testZone, Records: []string{
		"@ NS ns1", "ns1 A 127.0.0.1", "@ NS ns3", "ns3 A 127.0.0.3", fmt.Sprintf("_dnsauth TXT %q", testValue),
	}})
	resolver := dnstest.Unbound(t, map[string]*dnstest.Server{"com": parent, testZone: child})
	prover := world(t, through(resolver), map[string]reply{
		"127.0.0.8": through(parent), "127.0.0.1": through(child), "127.0.0.2": through(child), "127.0.0.3": zoneWith(1),
	})
	verdict, err := prover.Look(t.Context(), question())
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, server := range verdict.Servers {
		asked = append(asked, server.Name)
	}
	slices.Sort(asked)
	if !slices.Equal(asked, []string{"ns1.example.com", "ns2.example.com", "ns3.example.com"}) {
		t.Errorf("asked %q", asked)
	}
	for _, part := range []string{"the parent delegates to ", ", but the zone names ", "ns3.example.com (127.0.0.3:", "2 of 3 visible"} {
		if verdict.Visible || !strings.Contains(verdict.String(), part) {
			t.Errorf("%q is not in: %s", part, verdict)
		}
	}
}
