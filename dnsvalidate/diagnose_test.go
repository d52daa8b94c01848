package dnsvalidate

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const rootSOA = ". 60 SOA a.root-servers.net. nstld.verisign-grs.com. 1 1 1 1 1"

// resolving offers recursion, and answers the question for the root itself.
func resolving(r reply, authority bool) reply {
	return func(query *dns.Msg) *dns.Msg {
		response := r(query)
		if query.Question[0].Name == "." {
			response = new(dns.Msg).SetReply(query)
			response.Answer = parseRecords([]string{rootSOA})
			response.Authoritative = authority
		}
		response.RecursionAvailable = true
		return response
	}
}

func TestInterceptionIsToldFromServersThatResolveToo(t *testing.T) {
	without := func(r reply) reply { return changed(r, func(m *dns.Msg) { m.Authoritative = false }) }
	refuses := withCode(dns.RcodeRefused)
	plain := resolving(without(published()), false)
	tests := []struct {
		name    string
		servers []reply // nil is silent
		want    []State
	}{
		{"a resolver answers for all", []reply{plain, plain}, []State{stateIntercepted, stateIntercepted}},
		{"it answers for all but one address, which is silent", []reply{plain, nil}, []State{stateIntercepted, stateSilent}},
		{"one server of two is a resolver", []reply{plain, published()}, []State{stateLame, stateVisible}},
		{"a resolver that claims authority for anything", []reply{resolving(zoneWith(1), true), resolving(zoneWith(1), true)}, []State{stateIntercepted, stateIntercepted}},
		{"it is not believed when it shows the record", []reply{resolving(published(), true)}, []State{stateIntercepted}},
		{"name servers that resolve too", []reply{resolving(published(), false), resolving(zoneWith(1), false)}, []State{stateVisible, stateStale}},
		{"a resolver that refuses questions without recursion", []reply{resolving(refuses, false)}, []State{stateIntercepted}},
		{"name servers that refuse", []reply{refuses, refuses}, []State{stateRefused, stateRefused}},
		{"name servers that refuse beside a resolver", []reply{refuses, plain}, []State{stateRefused, stateLame}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var settings Settings
			for _, answer := range test.servers {
				address := ""
				if answer == nil {
					address = silent(t)
				} else {
					address = serve(t, "127.0.0.1", "0", answer)
				}
				settings.NameServers = append(settings.NameServers, address)
			}
			verdict := look(t, settings)
			var got []State
			for _, server := range verdict.Servers {
				got = append(got, server.State)
			}
			if !slices.Equal(got, test.want) || verdict.Visible {
				t.Errorf("got %q: %s", got, verdict)
			}
		})
	}
}

// fault 44
func TestAZoneThatIsDelegatedToOpenResolversIsNotIntercepted(t *testing.T) {
	open := resolving(changed(zoneWith(1, ns1), func(m *dns.Msg) { m.Authoritative = false }), false)
	tests := []struct {
		name   string
		parent reply
		want   State
	}{
		{"the parent's server is heard itself", refers(ns1), stateLame},
		{"a resolver answers in its place too", resolving(refers(ns1), false), stateIntercepted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prover := world(t, sound(ns1), map[string]reply{"127.0.0.8": test.parent, "127.0.0.1": open})
			verdict, err := prover.Look(t.Context(), question())
			if err != nil || len(verdict.Servers) != 1 || verdict.Servers[0].State != test.want {
				t.Errorf("%s, %v", verdict, err)
			}
			blocks, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"))
			if blocks != (test.want == stateLame) || !strings.Contains(text, string(test.want)) {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

// fault 32
func TestWhoLagsIsSaid(t *testing.T) {
	tests := []struct {
		name    string
		servers []reply
		want    []string
	}{
		{"one shows the record", []reply{published(), zoneWith(1)}, []string{"visible (serial 2)", "stale (serial 1, others have 2)"}},
		{"none shows the record yet", []reply{zoneWith(7), zoneWith(6)}, []string{"not yet (serial 7)", "stale (serial 6, others have 7)"}},
		{"serials wrap around", []reply{zoneWith(4294967290), zoneWith(5)}, []string{"stale (serial 4294967290, others have 5)", "not yet (serial 5)"}},
		{"all have the same serial", []reply{zoneWith(7), zoneWith(7)}, []string{"not yet (serial 7)", "not yet (serial 7)"}},
		{"the serial of one with another value is asked for", []reply{zoneWith(3), zoneWith(2, txt(testName, "other"))}, []string{"not yet (serial 3)", "stale (serial 2, others have 3)"}},
		{"one with the record is never stale", []reply{published(), zoneWith(3)}, []string{"visible (serial 2)", "not yet (serial 3)"}},
		{"serials of different zones are not compared", []reply{zoneWith(7), changed(zoneWith(7), func(m *dns.Msg) {
			m.Ns = parseRecords([]string{testName + " 60 SOA ns. hostmaster. 4 1 1 1 1"})
		})}, []string{"not yet (serial 7)", "not yet (answers from the zone _dnsauth.example.com)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var settings Settings
			for _, answer := range test.servers {
				settings.NameServers = append(settings.NameServers, serve(t, "127.0.0.1", "0", answer))
			}
			var got []string
			for _, server := range look(t, settings).Servers {
				got = append(got, strings.TrimPrefix(server.String(), server.Address+" "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
