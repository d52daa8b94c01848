package dnsvalidate

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dvagent/dnsvalidate/dnstest"
	"dvagent/internal/aliyun"
)

// fault 31
func TestANegativeCacheOfUnboundHoldsUpNothing(t *testing.T) {
	t.Parallel()
	server := dnstest.BIND(t, dnstest.Zone{Name: testZone})
	resolver := dnstest.Unbound(t, map[string]*dnstest.Server{testZone: server})
	if answer := resolver.Ask(testName, dns.TypeTXT); answer == nil || answer.Rcode != dns.RcodeNameError {
		t.Fatalf("unbound says %v", answer)
	}
	server.Update(testZone, nil, []string{txt(testName, testValue)})
	verdict := look(t, Settings{NameServers: []string{server.Address}, PublicResolvers: []string{resolver.Address}})
	says := regexp.MustCompile(`^` + resolver.Address + ` negative cache \(for (600|59\d) s\); 1 of 1 visible$`)
	if !verdict.Visible || !says.MatchString(verdict.String()) {
		t.Errorf("visible %t: %s", verdict.Visible, verdict)
	}
}

// fault 49
func TestAZoneThatUnboundCannotValidateIsBogus(t *testing.T) {
	t.Parallel()
	server := dnstest.BIND(t, dnstest.Zone{
		Name: testZone, Records: []string{fmt.Sprintf("_dnsauth TXT %q", testValue)}, Settings: "dnssec-policy default; inline-signing no;",
	})
	sound := server.Key(testZone, testName).ToDS(dns.SHA256)
	foreign := dns.Copy(sound).(*dns.DS)
	foreign.Digest = strings.Repeat("ab", 32)
	tests := []struct {
		name     string
		anchor   *dns.DS
		state    State
		findings []string
	}{
		{"the DS is that of the zone's key", sound, stateVisible, nil},
		{"the DS is that of another key", foreign, stateBogus, []string{"DNSSEC of example.com is bogus, says resolver "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resolver := dnstest.Unbound(t, map[string]*dnstest.Server{testZone: server}, `trust-anchor: "`+test.anchor.String()+`"`)
			verdict := look(t, Settings{NameServers: []string{server.Address}, PublicResolvers: []string{resolver.Address}})
			if len(verdict.Resolvers) != 1 || verdict.Resolvers[0].State != test.state || verdict.Visible != (test.state == stateVisible) {
				t.Errorf("visible %t: %s", verdict.Visible, verdict)
			}
			before := NewProver(Settings{NameServers: []string{server.Address}, Resolvers: []string{resolver.Address}})
			findings, err := before.NewPreflight().Look(t.Context(), Expectation{Zone: aliyun.Domain{Name: testZone}, Name: testName})
			if err != nil || len(findings) != len(test.findings) {
				t.Fatalf("%v, %v", findings, err)
			}
			for i, finding := range findings {
				if want := test.findings[i] + resolver.Address; !finding.Blocks || finding.Text != want {
					t.Errorf("blocks %t: %s", finding.Blocks, finding.Text)
				}
			}
		})
	}
}

func TestAnUnboundInTheNameServersPlaceIsNoticed(t *testing.T) {
	t.Parallel()
	server := dnstest.BIND(t, dnstest.Zone{Name: testZone, Records: []string{fmt.Sprintf("_dnsauth TXT %q", testValue)}})
	resolver := dnstest.Unbound(t, map[string]*dnstest.Server{testZone: server}, "access-control: 127.0.0.0/8 allow_snoop")
	verdict := look(t, Settings{NameServers: []string{resolver.Address}})
	if want := resolver.Address + " port 53 intercepted; 0 of 1 visible"; verdict.Visible || verdict.String() != want {
		t.Errorf("visible %t: %s", verdict.Visible, verdict)
	}
}

func TestTheNameServersDecideWhateverAnUnboundThatLiesSays(t *testing.T) {
	t.Parallel()
	const liar = "127.0.0.7"
	parent := delegated(t, "example NS ns1.example", "ns1.example A 127.0.0.1")
	child := dnstest.BIND(t, dnstest.Zone{Name: testZone, Records: []string{"@ NS ns1", "ns1 A 127.0.0.1"}})
	resolver := dnstest.Unbound(t, map[string]*dnstest.Server{"com": parent, testZone: child},
		fmt.Sprintf("local-data: '%s TXT %q'", testName, testValue),
		"local-data: 'example.com NS ns9.example.com'",
		"local-data: 'ns9.example.com A "+liar+"'")
	if answer := resolver.Ask(testName, dns.TypeTXT); answer == nil || len(answer.Answer) != 1 {
		t.Fatalf("unbound tells the truth: %v", answer)
	}
	prover := world(t, through(resolver), map[string]reply{
		"127.0.0.8": through(parent), "127.0.0.1": through(child), liar: published(),
	})
	prover.settings.PublicResolvers = []string{resolver.Address}
	for _, step := range []struct {
		visible bool
		says    string
	}{
		{false, "ns1.example.com (127.0.0.1:" + prover.port + ") not yet (serial 1); 0 of 1 visible"},
		{true, "1 of 1 visible"},
	} {
		verdict, err := prover.Look(t.Context(), question())
		if err != nil || verdict.Visible != step.visible || verdict.String() != step.says {
			t.Errorf("visible %t: %s, %v", verdict.Visible, verdict, err)
		}
		child.Update(testZone, nil, []string{txt(testName, testValue)})
	}
}

func TestGlueOutweighsAResolverThatLies(t *testing.T) {
	t.Parallel()
	parent := delegated(t, "example NS ns1.example", "ns1.example A 127.0.0.1")
	child := dnstest.BIND(t, dnstest.Zone{Name: testZone, Records: []string{"@ NS ns1", "ns1 A 127.0.0.1"}})
	resolver := dnstest.Unbound(t, map[string]*dnstest.Server{"com": parent, testZone: child},
		"local-data: 'ns1.example.com A 127.0.0.7'")
	prover := world(t, through(resolver), map[string]reply{
		"127.0.0.8": through(parent), "127.0.0.1": through(child), "127.0.0.7": published()})
	verdict, err := prover.Look(t.Context(), question())
	if err != nil || verdict.Visible {
		t.Error(verdict, err)
	}
}
