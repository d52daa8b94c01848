package sandbox

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func decode(t *testing.T, a answer, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to hold in time")
		}
	}
}

// ask sends one real query to the name server of that index.
func ask(t *testing.T, s *Sandbox, server int, network, name, qtype string) *dns.Msg {
	t.Helper()
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.StringToType[qtype])
	m, _, err := (&dns.Client{Net: network, Timeout: 2 * time.Second}).Exchange(q, s.Ready().DNS[server])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// texts are the values of TXT records in an answer.
func texts(m *dns.Msg) string {
	var values []string
	for _, rr := range m.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			values = append(values, strings.Join(txt.Txt, ""))
		}
	}
	return strings.Join(values, " ")
}

func TestEachNameServerShowsAChangeAfterItsDelay(t *testing.T) {
	const second = 300 * time.Millisecond
	s := start(t, Options{Propagation: []time.Duration{0, second}})
	added := time.Now()
	if _, err := s.AddRecord("example.com", "a", "TXT", "x"); err != nil {
		t.Fatal(err)
	}
	if texts(ask(t, s, 0, "udp", "a.example.com", "TXT")) != "x" {
		t.Error("the first one does not show it at once")
	}
	if texts(ask(t, s, 1, "udp", "a.example.com", "TXT")) == "x" && time.Since(added) < second {
		t.Error("the second one shows it before its delay")
	}
	if soa(t, s, 0) <= soa(t, s, 1) && time.Since(added) < second {
		t.Error("the serials do not tell the servers apart")
	}
	eventually(t, func() bool { return texts(ask(t, s, 1, "tcp", "a.example.com", "TXT")) == "x" })
	if early := time.Since(added); early < second {
		t.Errorf("the second one shows it after %v, before its delay of %v", early, second)
	}
	if soa(t, s, 0) != soa(t, s, 1) {
		t.Error("the serials still differ")
	}
}

func soa(t *testing.T, s *Sandbox, server int) uint32 {
	t.Helper()
	m := ask(t, s, server, "udp", "example.com", "SOA")
	if len(m.Answer) != 1 || !m.Authoritative {
		t.Fatalf("no authoritative SOA: %v", m)
	}
	return m.Answer[0].(*dns.SOA).Serial
}

func TestAnswersOfTheNameServers(t *testing.T) {
	s := start(t, Options{Propagation: []time.Duration{0}, Zones: []string{"example.com", "sub.example.com", "example.org"}})
	for _, r := range [][4]string{
		{"example.com", "_dnsauth", "TXT", "one"}, {"example.com", "_dnsauth", "TXT", `t"w\o`},
		{"example.com", "*.wild", "TXT", "any"}, {"example.com", "own.wild", "A", "192.0.2.1"},
		{"example.com", "a.b", "A", "192.0.2.2"}, {"example.com", "alias", "CNAME", "target.example.org"},
		{"example.com", "out", "CNAME", "target.example.net"}, {"example.org", "target", "TXT", "there"},
		{"example.com", "loop", "CNAME", "loop.example.com"}, {"sub.example.com", "@", "TXT", "sub"},
		{"example.com", "@", "CAA", `0 issue "digicert.com"`}, {"example.com", "@", "MX", "mail.example.com"},
	} {
		if _, err := s.AddRecord(r[0], r[1], r[2], r[3]); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name        string
		query       string
		qtype       string
		rcode       int
		answers     int
		text        string
		isAuthority bool // the SOA comes with it
	}{
		{"several values at one name", "_dnsauth.example.com", "TXT", dns.RcodeSuccess, 2, `one t\"w\\o`, false},
		{"a name in capitals", "_DNSAUTH.Example.COM", "TXT", dns.RcodeSuccess, 2, `one t\"w\\o`, false},
		{"a name that there is not", "none.example.com", "TXT", dns.RcodeNameError, 0, "", true},
		{"a type that there is not", "_dnsauth.example.com", "A", dns.RcodeSuccess, 0, "", true},
		{"a name that has only others under it", "b.example.com", "A", dns.RcodeSuccess, 0, "", true},
		{"a wildcard", "x.wild.example.com", "TXT", dns.RcodeSuccess, 1, "any", false},
		{"a wildcard over two labels", "x.y.wild.example.com", "TXT", dns.RcodeSuccess, 1, "any", false},
		{"a name that exists beside a wildcard", "own.wild.example.com", "TXT", dns.RcodeSuccess, 0, "", true},
		{"a CNAME into another zone", "alias.example.com", "TXT", dns.RcodeSuccess, 2, "there", false},
		{"a CNAME asked for itself", "alias.example.com", "CNAME", dns.RcodeSuccess, 1, "", false},
		{"a CNAME out of the zones", "out.example.com", "TXT", dns.RcodeSuccess, 1, "", false},
		{"a CNAME to itself", "loop.example.com", "TXT", dns.RcodeSuccess, 8, "", false},
		{"a name in a zone under a zone", "sub.example.com", "TXT", dns.RcodeSuccess, 1, "sub", false},
		{"the zone's SOA", "example.com", "SOA", dns.RcodeSuccess, 1, "", false},
		{"the zone's name servers", "example.com", "NS", dns.RcodeSuccess, 2, "", false},
		{"the zone's DS", "example.com", "DS", dns.RcodeSuccess, 0, "", true},
		{"the zone's CAA", "example.com", "CAA", dns.RcodeSuccess, 1, "", false},
		{"no CAA", "example.org", "CAA", dns.RcodeSuccess, 0, "", true},
		{"an MX", "example.com", "MX", dns.RcodeSuccess, 1, "", false},
		{"a name server's address", "ns2.sandbox.test", "A", dns.RcodeSuccess, 1, "", false},
		{"a name of someone else", "example.net", "TXT", dns.RcodeRefused, 0, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := ask(t, s, 0, "udp", test.query, test.qtype)
			if m.Rcode != test.rcode || len(m.Answer) != test.answers || texts(m) != test.text || (len(m.Ns) > 0) != test.isAuthority {
				t.Errorf("got %v", m)
			}
			if m.Authoritative != (test.rcode != dns.RcodeRefused) {
				t.Errorf("authoritative is %v", m.Authoritative)
			}
		})
	}
}

func TestALongAnswerIsCutOverUDPAndWholeOverTCP(t *testing.T) {
	s := start(t, Options{Propagation: []time.Duration{0}})
	long := strings.Repeat("x", 300)
	for _, value := range []string{long + "1", long + "2", long + "3"} {
		if _, err := s.AddRecord("example.com", "a", "TXT", value); err != nil {
			t.Fatal(err)
		}
	}
	if m := ask(t, s, 0, "udp", "a.example.com", "TXT"); !m.Truncated {
		t.Errorf("over UDP it is not cut: %d records", len(m.Answer))
	}
	m := ask(t, s, 0, "tcp", "a.example.com", "TXT")
	if m.Truncated || len(m.Answer) != 3 || len(m.Answer[0].(*dns.TXT).Txt) != 2 {
		t.Errorf("over TCP: %v", m)
	}
	q := new(dns.Msg).SetQuestion("a.example.com.", dns.TypeTXT)
	q.SetEdns0(4096, false)
	m, _, err := new(dns.Client).Exchange(q, s.Ready().DNS[0])
	if err != nil || m.Truncated || len(m.Answer) != 3 || m.IsEdns0() == nil {
		t.Errorf("over UDP with EDNS0: %v %v", err, m)
	}
}

func TestAStrangeQueryIsNotImplemented(t *testing.T) {
	s := start(t, quick)
	q := new(dns.Msg).SetNotify("example.com.")
	m, _, err := new(dns.Client).Exchange(q, s.Ready().DNS[0])
	if err != nil || m.Rcode != dns.RcodeNotImplemented {
		t.Errorf("%v %v", err, m)
	}
}

func TestUDPAndTCPShareAPort(t *testing.T) {
	s := start(t, Options{NameServers: 3})
	if n := len(s.Ready().DNS); n != 3 {
		t.Fatalf("%d name servers", n)
	}
	for i, address := range s.Ready().DNS {
		host, _, err := net.SplitHostPort(address)
		if err != nil || host != "127.0.0.1" {
			t.Errorf("%s: %v", address, err)
		}
		for _, network := range []string{"udp", "tcp"} {
			if m := ask(t, s, i, network, "example.com", "NS"); len(m.Answer) != 3 {
				t.Errorf("%s over %s: %v", address, network, m)
			}
		}
	}
}
