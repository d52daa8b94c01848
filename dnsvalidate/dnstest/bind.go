package dnstest

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Zone is one zone of a BIND server. Its SOA says serial 1, and that absence
// may be cached for 600 s.
type Zone struct {
	Name     string
	Records  []string // in zone file syntax, names relative to the zone; the SOA is added, and an NS where there is none
	Primary  *Server  // makes the zone a secondary of that server, which gets its records there
	Expired  bool     // a secondary whose copy is too old to serve, and whose primary is gone; it has Records
	Settings string   // further statements, such as "allow-query { none; };"
}

// named begins the configuration: the port, the directory.
//
// It asks nobody: it does not resolve, notify or refresh trust anchors, and
// its root servers are on loopback.
const named = `options {
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	directory %q;
	pid-file none;
	session-keyfile none;
	recursion no;
	dnssec-validation no;
	notify no;
	check-names primary ignore;
	max-cache-size 8m;
	key-directory %[2]q;
};
controls { };
zone "." { type hint; file "root.hints"; };
`

// BIND starts named with the zones. It takes updates of its primary zones from
// loopback. A secondary zone has its records later; Serial waits for them. It
// skips the test where named is not installed.
func BIND(t testing.TB, zones ...Zone) *Server {
	t.Helper()
	program, dir, port := need(t, "named"), t.TempDir(), freePort(t)
	write(t, dir, "root.hints", rootHints)
	var config strings.Builder
	fmt.Fprintf(&config, named, port, dir)
	for _, zone := range zones {
		zone.write(t, dir, &config)
	}
	path := write(t, dir, "named.conf", config.String())
	s := start(t, fmt.Sprintf("127.0.0.1:%d", port), program, "-g", "-4", "-n", "1", "-c", path)
	s.await("all zones loaded", func() bool {
		return strings.Contains(s.log.String(), "all zones loaded") && s.Ask(".", dns.TypeSOA) != nil
	})
	return s
}

// write adds the zone to the configuration, and its file to the directory.
func (z Zone) write(t testing.TB, dir string, config *strings.Builder) {
	t.Helper()
	kind := "type primary; allow-update { 127.0.0.1; };"
	switch {
	case z.Primary != nil:
		kind = "type secondary; " + z.Primary.asPrimary()
	case z.Expired:
		kind = "type secondary; masterfile-format text; primaries { 127.0.0.1 port 9; };"
	}
	fmt.Fprintf(config, "zone %q { file %[1]q; %s %s };\n", z.Name, kind, z.Settings)
	if z.Primary != nil {
		return
	}
	path := write(t, dir, z.Name, z.file())
	if z.Expired {
		long := time.Now().AddDate(0, -1, 0)
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
}

func (z Zone) file() string {
	lines := append([]string{
		"$ORIGIN " + z.Name + ".",
		"$TTL 600",
		"@ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 600",
	}, z.Records...)
	if !strings.Contains(strings.Join(z.Records, "\n"), "@ NS ") {
		lines = append(lines, "@ NS ns.invalid.")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *Server) asPrimary() string {
	host, port, _ := net.SplitHostPort(s.Address)
	return fmt.Sprintf("primaries { %s port %s; };", host, port)
}

// Update changes a primary zone of BIND in one step (RFC 2136), which raises
// its serial by one. The records are in zone file syntax with whole names.
func (s *Server) Update(zone string, remove, insert []string) {
	s.t.Helper()
	update := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	update.Remove(s.parse(remove))
	update.Insert(s.parse(insert))
	s.send(update)
}

// Notify tells a secondary to see to its zone now (RFC 1996). It does not wait
// until that is done.
func (s *Server) Notify(zone string) {
	s.t.Helper()
	s.send(new(dns.Msg).SetNotify(dns.Fqdn(zone)))
}

// Serial waits until the server answers for the zone with that serial.
func (s *Server) Serial(zone string, serial uint32) {
	s.t.Helper()
	s.await(fmt.Sprintf("serial %d of %s", serial, zone), func() bool {
		answer := s.Ask(zone, dns.TypeSOA)
		if answer == nil || len(answer.Answer) == 0 {
			return false
		}
		soa, ok := answer.Answer[0].(*dns.SOA)
		return ok && soa.Serial == serial
	})
}

// Key waits until BIND has signed a zone and its TXT record at name, and returns
// the key that a DS is made of. The zone's Settings need a dnssec-policy.
func (s *Server) Key(zone, name string) *dns.DNSKEY {
	s.t.Helper()
	var key *dns.DNSKEY
	s.await("signatures of "+zone, func() bool {
		for _, rr := range s.signed(zone, dns.TypeDNSKEY) {
			if found, ok := rr.(*dns.DNSKEY); ok {
				key = found
			}
		}
		return key != nil && s.signed(zone, dns.TypeSOA) != nil && s.signed(name, dns.TypeTXT) != nil
	})
	return key
}

// signed returns the records with their signature, or nil while there is none.
func (s *Server) signed(name string, qtype uint16) []dns.RR {
	answer := s.Ask(name, qtype)
	if answer == nil || !slices.ContainsFunc(answer.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG }) {
		return nil
	}
	return answer.Answer
}

func (s *Server) send(message *dns.Msg) {
	s.t.Helper()
	client := &dns.Client{Net: "tcp", Timeout: patience}
	answer, _, err := client.Exchange(message, s.Address)
	if err != nil {
		s.t.Errorf("%s to %s: %v", dns.OpcodeToString[message.Opcode], s.Address, err)
	} else if answer.Rcode != dns.RcodeSuccess {
		s.t.Errorf("%s to %s: %s", dns.OpcodeToString[message.Opcode], s.Address, dns.RcodeToString[answer.Rcode])
	}
}

func (s *Server) parse(lines []string) []dns.RR {
	s.t.Helper()
	var records []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			s.t.Errorf("record %q: %v", line, err)
			continue
		}
		records = append(records, rr)
	}
	return records
}
