package dnsvalidate

import (
	"testing"

	"github.com/miekg/dns"
)

// bogus is a validating resolver that cannot validate.
func bogus(query *dns.Msg) *dns.Msg {
	if query.CheckingDisabled {
		return published()(query)
	}
	return withCode(dns.RcodeServerFailure)(query)
}

func TestPublicResolversAreAskedOnceTheNameServersAgree(t *testing.T) {
	fails := withCode(dns.RcodeServerFailure)
	tests := []struct {
		name      string
		resolvers []reply
		want      State // of the first
		visible   bool
	}{
		{"a resolver that shows the value", []reply{published()}, stateVisible, true},
		// fault 31
		{"a negative cache holds up nothing", []reply{zoneWith(1)}, stateCached, true},
		{"a refusal holds up nothing", []reply{withCode(dns.RcodeRefused)}, stateRefused, true},
		{"a CNAME that no name server has holds up nothing", []reply{zoneWith(1, testName+" 60 CNAME x.example.net.")}, stateAlias, true},
		{"a failure is the CA's too", []reply{fails}, stateFailed, false},
		{"a failure of all is the CA's too", []reply{fails, fails}, stateFailed, false},
		{"one that refuses does not outweigh a failure", []reply{fails, withCode(dns.RcodeRefused)}, stateFailed, false},
		{"a failure beside one that works is its own", []reply{fails, published()}, stateFailed, true},
		{"a failure beside a negative cache is its own", []reply{fails, zoneWith(1)}, stateFailed, true},
		// fault 49
		{"broken DNSSEC is the CA's too", []reply{bogus}, stateBogus, false},
		{"broken DNSSEC counts beside one that does not validate", []reply{bogus, published()}, stateBogus, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			settings := Settings{NameServers: []string{serve(t, "127.0.0.1", "0", published())}}
			for _, resolver := range test.resolvers {
				settings.PublicResolvers = append(settings.PublicResolvers, serve(t, "127.0.0.2", "0", resolver))
			}
			verdict := look(t, settings)
			if len(verdict.Resolvers) != len(test.resolvers) || verdict.Resolvers[0].State != test.want ||
				verdict.Visible != test.visible || verdict.Enough != test.visible {
				t.Errorf("visible %t, enough %t: %s", verdict.Visible, verdict.Enough, verdict)
			}
		})
	}
}

func TestASilentPublicResolverHoldsUpNothing(t *testing.T) {
	t.Parallel()
	verdict := look(t, Settings{
		NameServers:     []string{serve(t, "127.0.0.1", "0", published())},
		PublicResolvers: []string{silent(t)},
	})
	if !verdict.Visible || verdict.Resolvers[0].State != stateSilent {
		t.Error(verdict)
	}
}

func TestWhatAResolverSeesAndTheNameServersDoNotCountsForNothing(t *testing.T) {
	server := serve(t, "127.0.0.1", "0", zoneWith(1))
	resolver := servePackets(t, func(*dns.Msg) []byte { t.Error("the resolver was asked"); return nil })
	verdict := look(t, Settings{NameServers: []string{server}, PublicResolvers: []string{resolver}})
	if verdict.Visible || verdict.Enough {
		t.Error(verdict)
	}
}
