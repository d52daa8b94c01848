package dnsvalidate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/internal/aliyun"
)

const slow = time.Second

// Finding is what a person should know about a zone before an order is placed.
type Finding struct {
	Blocks bool   // the validation would fail
	Text   string // one line
	Hint   string // what to do about it
}

// Preflight looks at zones and names before orders are placed. It asks each
// question once, whatever the outcome: make one for a pass, and share it. Many
// goroutines may use it at once.
type Preflight struct {
	prover   *Prover
	zones    memory[survey]
	compared memory[[]Finding]       // by zone and DNSServers: two accounts may host a zone
	names    memory[[]ServerVerdict] // what the name servers say of a validation name
	caa      memory[caaSet]
}

// Expectation is where domains are expected to be proved.
type Expectation struct {
	Zone    aliyun.Domain // its DNSServers are compared with the delegation, unless there are none
	Name    string        // of the validation record
	Type    string        // "TXT" or "CNAME"; empty is TXT
	Domains []string      // that are to be proved
	CAs     CAs           // whom CAA is to let issue; without any of Ours it is not looked at
}

// NewPreflight returns a Preflight that has asked nothing yet.
func (p *Prover) NewPreflight() *Preflight { return &Preflight{prover: p} }

// Look finds what would make a validation in a hosted zone fail, or slow: a
// zone that is not delegated to its DNSServers, servers that cannot be read or
// lag behind, bogus DNSSEC, a CNAME in the place of a TXT record that leads
// outside the delegated zones, a name in a zone of its own, and CAA records that
// let none of our CAs issue for one of the domains. The zone costs one question at most to each
// address of its name servers, discovery included (two to one that no other can
// stand in for), and a further name in it one to one of them. An error means
// that ctx ended.
func (f *Preflight) Look(ctx context.Context, e Expectation) ([]Finding, error) {
	hosted, name := hostedName(e.Zone), canonical(e.Name)
	if !within(name, hosted) {
		name = hosted
	}
	seen, err := f.zones.recall(ctx, hosted, func() (survey, error) { return f.prover.survey(ctx, hosted, name) })
	if err != nil {
		return nil, cutShort(hosted, err)
	}
	findings := slices.Concat(f.compare(ctx, e.Zone, seen), seen.findings)
	servers, _ := f.names.recall(ctx, name, func() ([]ServerVerdict, error) { return f.prover.verdictsOn(ctx, hosted, name, seen) })
	findings = append(findings, delegatedBelow(hosted, name, servers)...)
	if e.Type != typeCNAME { // or else a CNAME may be the proof itself, left from last time
		findings = append(findings, f.checkAlias(ctx, name, servers)...)
	}
	if len(e.CAs.Ours) > 0 {
		findings = append(findings, f.CAA(ctx, e.Domains, e.CAs)...)
	}
	if ctx.Err() != nil {
		return nil, cutShort(hosted, ctx.Err())
	}
	return findings, nil
}

func cutShort(zone string, err error) error {
	return fmt.Errorf("look at %s before an order: %w", zone, err)
}

// survey is what was found out about a zone, whoever hosts it.
type survey struct {
	delegation delegation
	nobody     error // why there is no delegation, or nil
	findings   []Finding
	name       string          // that the servers were asked for
	servers    []ServerVerdict // what they said
}

func (p *Prover) survey(ctx context.Context, zone, name string) (survey, error) {
	begun, seen := time.Now(), survey{name: name}
	if seen.delegation, seen.nobody = p.delegation(ctx, zone); seen.nobody == nil {
		seen.servers = p.read(ctx, seen.delegation, zone, name, begun)
		seen.findings = unread(zone, seen.servers, seen.delegation.told)
	}
	seen.findings = append(seen.findings, p.checkDNSSEC(ctx, zone)...)
	return seen, ctx.Err()
}

// compare is misdelegated, once for each account that hosts the zone.
func (f *Preflight) compare(ctx context.Context, zone aliyun.Domain, seen survey) []Finding {
	if seen.nobody != nil {
		return []Finding{unfound(zone, seen.nobody)}
	}
	key := strings.Join(append(slices.Sorted(slices.Values(assignedTo(zone))), hostedName(zone)), " ")
	findings, _ := f.compared.recall(ctx, key, func() ([]Finding, error) {
		return f.prover.misdelegated(ctx, zone, seen.delegation), ctx.Err()
	})
	return findings
}

// read asks each name server for name. A server that named them all since begun
// has answered a question already; it is asked only if no other can be read.
func (p *Prover) read(ctx context.Context, from delegation, zone, name string, begun time.Time) []ServerVerdict {
	var spoke, others []nameServer
	for _, server := range from.servers {
		if server.address != "" && server.address == from.spoke && !from.since.Before(begun) {
			spoke = append(spoke, server)
		} else {
			others = append(others, server)
		}
	}
	servers := p.askHolders(ctx, others, zone, name)
	if !slices.ContainsFunc(servers, readable) {
		servers = append(servers, p.askHolders(ctx, spoke, zone, name)...)
	}
	p.markIntercepted(ctx, servers, from.pathClear)
	var holders []*ServerVerdict
	for i := range servers {
		if servers[i].soa.zone == zone {
			holders = append(holders, &servers[i])
		}
	}
	markStale(holders)
	return servers
}

// askHolders is askAll for the servers of a zone: one that answers from another
// zone, such as the parent, has no authority for this one. It has if it refers to
// a zone below, or serves that as well.
func (p *Prover) askHolders(ctx context.Context, asked []nameServer, zone, name string) []ServerVerdict {
	servers := p.askAll(ctx, asked, Question{Name: name}.normal())
	for i := range servers {
		switch server, cut := &servers[i], servers[i].cut(zone); {
		case cut != "":
			server.State, server.subzone = stateDelegated, cut
		case server.State == stateNotYet && server.soa.zone != "" && server.soa.zone != zone:
			server.State, server.Detail = stateLame, "answers from the zone "+server.soa.zone
		}
	}
	return servers
}

// verdictsOn is what the servers say of name. If the survey asked for another
// name, one of them is asked for this one.
func (p *Prover) verdictsOn(ctx context.Context, zone, name string, seen survey) ([]ServerVerdict, error) {
	if name == seen.name {
		return seen.servers, nil
	}
	for _, server := range seen.servers {
		if readable(server) {
			return p.askHolders(ctx, []nameServer{{server.Name, server.Address}}, zone, name), ctx.Err()
		}
	}
	return nil, ctx.Err()
}

// delegatedBelow finds that name lies in a zone of its own below the hosted one,
// where nobody would see a record of the hosted one. It blocks unless another
// server answers for name itself.
func delegatedBelow(hosted, name string, servers []ServerVerdict) []Finding {
	isCut := func(server ServerVerdict) bool { return server.State == stateDelegated }
	i := slices.IndexFunc(servers, isCut)
	if i < 0 {
		return nil
	}
	teller, others := servers[i], slices.DeleteFunc(slices.Clone(servers), isCut)
	return []Finding{{
		Blocks: !slices.ContainsFunc(others, readable),
		Text: fmt.Sprintf("%s lies in the zone %s, and not in %s, which delegates that (says %s)",
			name, teller.subzone, hosted, join(teller.Name, teller.Address)),
		Hint: fmt.Sprintf("the record is to be written in %s: host that zone with AliDNS, in the account that dns_account names, or take its NS records out of %s",
			teller.subzone, hosted),
	}}
}

// readable says that the server answers with authority.
func readable(server ServerVerdict) bool {
	return slices.Contains([]State{stateNotYet, stateVisible, stateAlias, stateStale, stateDelegated}, server.State)
}

// unread finds the servers that cannot be read well, and says who told their
// addresses.
func unread(zone string, servers []ServerVerdict, told map[string]string) []Finding {
	var findings []Finding
	for _, server := range servers {
		text := server.String()
		if by := told[server.Address]; by != "" && !readable(server) {
			text += "; " + by + " told that address"
		}
		advice := adviceOn[server.State]
		if advice == "" && server.Duration > slow {
			text = fmt.Sprintf("%s answers after %s", cmp.Or(server.Name, server.Address), server.Duration.Round(time.Millisecond))
			advice = "each look waits for it; quorum in [dns] can leave it out"
		}
		if advice != "" {
			findings = append(findings, Finding{Text: text, Hint: advice})
		}
	}
	if !slices.ContainsFunc(servers, readable) {
		findings = append(findings, Finding{
			Blocks: slices.ContainsFunc(servers, disowns), Text: "no name server of " + zone + " answers with authority",
			Hint: "check the delegation, and that this host may send DNS queries, or set nameservers in [dns]",
		})
	}
	return findings
}

// disowns says that the server answers, but does not serve the zone. Silence is
// not enough: it may be this host's own trouble, and not the CA's.
func disowns(server ServerVerdict) bool {
	return slices.Contains([]State{stateRefused, stateFailed, stateLame}, server.State)
}

// adviceOn is what to do about a server, by its state. That this host has no
// route to an address says nothing about the server.
var adviceOn = map[State]string{
	stateSilent:      "see to that server and to port 53 on the way, UDP and TCP; quorum in [dns] can leave it out",
	stateRefused:     "it does not serve the zone to everybody: mend it, or take it out of the NS records",
	stateFailed:      "mend that server, or take it out of the NS records",
	stateLame:        "it does not serve the zone: mend it, or take it out of the NS records",
	stateStale:       "see why it lags behind; quorum in [dns] can leave it out",
	stateIntercepted: "let port 53 out of this network, or set nameservers in [dns]",
	stateTruncated:   "let TCP to port 53 through",
	stateMalformed:   "mend that server, or what stands between",
}
