package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// assignedTo is DNSServers in the spelling in which names are compared.
func assignedTo(zone aliyun.Domain) []string {
	var assigned []string
	for _, server := range zone.DNSServers {
		if name := canonical(server); name != "" {
			assigned = union(assigned, []string{name})
		}
	}
	return assigned
}

// misdelegated compares the name servers found with those that AliDNS assigned
// to the zone. Configured ones may be a view of their own: nothing is compared.
func (p *Prover) misdelegated(ctx context.Context, zone aliyun.Domain, found delegation) []Finding {
	if len(p.settings.NameServers) > 0 {
		return nil
	}
	var findings []Finding
	if found.denied != nil {
		findings = append(findings, unfound(zone, found.denied))
	}
	if found.note != "" {
		findings = append(findings, Finding{Text: found.note, Hint: "make the NS records of the zone those of its parent"})
	}
	if len(assignedTo(zone)) == 0 {
		return append(findings, Finding{
			Text: "AliDNS names no name servers for " + hostedName(zone) + ": the delegation was not compared with them",
			Hint: "compare it with those that the AliDNS console shows",
		})
	}
	return append(findings, p.foreign(ctx, zone, found)...)
}

// foreign finds the name servers that AliDNS did not assign. Names of one's own
// for assigned servers (vanity name servers) have addresses of theirs alone.
func (p *Prover) foreign(ctx context.Context, zone aliyun.Domain, found delegation) []Finding {
	assigned := assignedTo(zone)
	addresses := found.foreign(assigned)
	if len(addresses) == 0 {
		return nil
	}
	ours := p.addressesOf(ctx, assigned)
	var vanity, foreign, tellers []string
	for _, server := range found.servers {
		switch theirs, ok := addresses[server.name]; {
		case !ok:
		case !slices.ContainsFunc(theirs, func(a string) bool { return !slices.Contains(ours, a) }):
			vanity = union(vanity, []string{server.name})
		default:
			foreign = union(foreign, []string{server.name})
			tellers = union(tellers, []string{found.told[server.name]})
		}
	}
	if len(foreign) > 0 {
		return []Finding{{
			Blocks: true,
			Text: fmt.Sprintf("%s is delegated to %s, which AliDNS does not write to (says %s)",
				hostedName(zone), strings.Join(foreign, ", "), strings.Join(tellers, ", ")),
			Hint: "delegate it, at its registrar or in its parent, to " + strings.Join(assigned, ", ") + ", and to no others",
		}}
	}
	return []Finding{{
		Text: fmt.Sprintf("%s is delegated to %s, by address servers that AliDNS assigned", hostedName(zone), strings.Join(vanity, ", ")),
		Hint: "keep their addresses those of " + strings.Join(assigned, ", "),
	}}
}

// foreign maps each name server that is not assigned to its addresses.
func (d delegation) foreign(assigned []string) map[string][]string {
	found := make(map[string][]string)
	for _, server := range d.servers {
		if !slices.Contains(assigned, server.name) {
			found[server.name] = append(found[server.name], server.address)
		}
	}
	return found
}

// addressesOf returns the addresses of all hosts, with the port.
func (p *Prover) addressesOf(ctx context.Context, hosts []string) []string {
	found := make([][]string, len(hosts))
	inParallel(len(hosts), func(i int) {
		addresses, _ := p.addresses(ctx, hosts[i])
		for _, address := range addresses {
			found[i] = append(found[i], net.JoinHostPort(address, p.port))
		}
	})
	return slices.Concat(found...)
}

// unfound is a zone whose name servers nobody names, or not its parent: then
// resolvers answer for its names from the parent. That no resolver answers here
// says nothing of the CA's.
func unfound(zone aliyun.Domain, err error) Finding {
	finding := Finding{Blocks: !errors.Is(err, errNoWord), Text: err.Error(), Hint: hint.Of(err)}
	if denied, ok := errors.AsType[*undelegated](err); ok {
		finding.Text = denied.Error() + ": resolvers answer from " + denied.parent
		finding.Hint = "delegate it in " + denied.parent
		if assigned := assignedTo(zone); len(assigned) > 0 {
			finding.Hint += " to " + strings.Join(assigned, ", ")
		}
		finding.Hint += ", or delete the zone in AliDNS if its parent is hosted there too"
	}
	return finding
}
