package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Options say what to start; the zero value is a sandbox for example.com with
// two name servers, five paid instances, and nothing faulty.
type Options struct {
	Listen      string          // host:port of CAS, AliDNS and STS over HTTP; loopback only; "" is 127.0.0.1:0
	DNS         string          // host:port of the first name server, UDP and TCP; "" is 127.0.0.1:0
	Management  string          // host:port; "" is 127.0.0.1:0
	HTTPPort    int             // of loopback addresses, where the CA asks for a file; 0 is 80
	HTTPSPort   int             // where it goes on when it is redirected to HTTPS; 0 is 443
	NameServers int             // 0 is 2; the further ones get a free port of 127.0.0.1
	Zones       []string        // hosted zones; none is example.com
	Instances   int             // paid DV instances, the same in both versions of CAS; 0 is 5, negative is none
	Faults      []Fault         // in force from the start
	Seed        uint64          // chooses among random faults: the same seed, the same run
	Propagation []time.Duration // per name server, after a record changes; the last one holds for the rest; none is 300ms, 900ms, 1.5s, …
	IssueAfter  time.Duration   // between the record that the CA has seen and the certificate; 0 is 1s, negative is at once
	Lifetime    time.Duration   // of issued leaves; 0 is 200 days

	CASAPI        string        // the version of CAS that there is: BothAPIs (""), API2018 or API2020
	TestInstances int           // free ones of 2020-04-07, for one name and three months
	Names         int           // that are no wildcards, of an instance in 2020-04-07; 0 is 5, negative is none
	Wildcards     int           // of an instance in 2020-04-07; 0 is 5, negative is none
	Term          time.Duration // of an instance in 2020-04-07; 0 is 365 days
	ReissueAfter  time.Duration // after an issuance, with AutoReissue on; 0 is never
	Packages      []Package     // of 2020-04-07; of each ProductCode and Total count
	Contacts      []Contact     // of the account; nil is the one that AgentConfig names

	AccessKeyID, AccessKeySecret string // random when empty

	Network   Network       // where everything listens; nil is this host's
	KeyType   string        // of keys that 2018-07-13 makes: ECC_256 or RSA_2048 ("")
	LookEvery time.Duration // the pause between two looks of the CA at an order; 0 is a fifth of IssueAfter, 200ms at most

	Dir string // where ca.pem is written; "" is a temporary directory that Close removes
}

// Network is what a sandbox listens on, and what its CA asks the name servers by.
type Network interface {
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// loopback is this host's network.
type loopback struct{ net.Dialer }

func (loopback) Listen(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}

func (loopback) ListenPacket(network, address string) (net.PacketConn, error) {
	return net.ListenPacket(network, address)
}

// Values of Options.CASAPI.
const (
	BothAPIs = "both"
	API2018  = "2018-07-13"
	API2020  = "2020-04-07"
)

const anyPort = "127.0.0.1:0"

// completed fills in the defaults and refuses addresses that are not loopback.
func (o Options) completed() (Options, error) {
	for _, address := range []*string{&o.Listen, &o.DNS, &o.Management} {
		*address = cmp.Or(*address, anyPort)
		if err := requireLoopback(*address); err != nil {
			return o, err
		}
	}
	if o.Network == nil {
		o.Network = &loopback{}
	}
	o.CASAPI = cmp.Or(o.CASAPI, BothAPIs)
	if o.CASAPI != BothAPIs && o.CASAPI != API2018 && o.CASAPI != API2020 {
		return o, fmt.Errorf("CAS version %q is none of %s, %s and %s", o.CASAPI, BothAPIs, API2018, API2020)
	}
	o.Names, o.Wildcards = max(cmp.Or(o.Names, 5), 0), max(cmp.Or(o.Wildcards, 5), 0)
	o.Term = cmp.Or(o.Term, 365*day)
	if o.Contacts == nil {
		o.Contacts = []Contact{{Name: "Zhang San", Mobile: "13300000000", Email: "ops@example.com"}}
	}
	o.HTTPPort = cmp.Or(o.HTTPPort, 80)
	o.HTTPSPort = cmp.Or(o.HTTPSPort, 443)
	o.NameServers = cmp.Or(max(o.NameServers, 0), 2)
	o.Instances = max(cmp.Or(o.Instances, 5), 0)
	o.IssueAfter = max(cmp.Or(o.IssueAfter, time.Second), 0)
	o.LookEvery = cmp.Or(o.LookEvery, max(min(o.IssueAfter/5, 200*time.Millisecond), 10*time.Millisecond))
	o.Lifetime = cmp.Or(o.Lifetime, 200*24*time.Hour)
	o.AccessKeyID = cmp.Or(o.AccessKeyID, "LTAI"+randomText(20, alphanumeric))
	o.AccessKeySecret = cmp.Or(o.AccessKeySecret, randomText(30, alphanumeric))
	if len(o.Zones) == 0 {
		o.Zones = []string{"example.com"}
	}
	return o, nil
}

// delay tells how long a change takes to reach name server i.
func (o Options) delay(i int) time.Duration {
	if n := len(o.Propagation); n > 0 {
		return o.Propagation[min(i, n-1)]
	}
	return 300*time.Millisecond + time.Duration(i)*600*time.Millisecond
}

func requireLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return fmt.Errorf("listen on %s: only a loopback address is allowed, such as 127.0.0.1:0", address)
	}
	return nil
}

// agentConfig takes the state directory, the key's id and secret, the API's
// address twice, the name servers twice, the first zone twice, and a wildcard under it.
const agentConfig = `state_dir = %q

[account.main]
access_key_id = %q
access_key_secret = %q
cas_endpoint = %q
dns_endpoint = %q

[contact.sandbox]
username = "Zhang San"
mobile = "13300000000"
email = "ops@example.com"
province = "zhejiang"
city = "hangzhou"

[dns]
resolvers = [%s]
nameservers = [%s]

[[certificate]]
name = %q
domains = [%q, %q]
account = "main"
contact = "sandbox"
`

// AgentConfig is the text of an agent.toml that lets the agent work against
// this sandbox: one account, one contact, and one certificate for the first
// zone and a wildcard under it.
func (s *Sandbox) AgentConfig(stateDir string) string {
	r := s.Ready()
	var servers []string
	for _, address := range r.DNS {
		servers = append(servers, fmt.Sprintf("%q", address))
	}
	dns := strings.Join(servers, ", ")
	zone := s.zones.hosted()[0].punycode
	return fmt.Sprintf(agentConfig, stateDir, r.AccessKeyID, r.AccessKeySecret, r.API, r.API,
		dns, dns, zone, zone, "*."+zone)
}
