package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// assignedTo returns the zone's DNSServers, spelled as names are compared.
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
// to the zone. Where name servers are configured, which may serve a view of their
// own, it compares nothing.
func (p *Prover) misdelegated(ctx context.Context, zone aliyun.Domain, found delegation) []Finding {
	if len(p.settings.NameServers) > 0 {
		return nil
	}
	var findings []Finding
	if found.denial != nil {
		findings = append(findings, unfound(zone, found.denial))
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

// foreign finds the name servers that AliDNS did not assign. A name whose
// addresses are all those of assigned servers is a vanity name for them.
func (p *Prover) foreign(ctx context.Context, zone aliyun.Domain, found delegation) []Finding {
	assigned := assignedTo(zone)
	addresses := found.foreign(assigned)
	if len(addresses) == 0 {
		return nil
	}
	ours, unresolved := p.addressesOf(ctx, assigned)
	var vanity, foreign []string
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		if slices.ContainsFunc(addresses[name], func(a string) bool { return !slices.Contains(ours, a) }) {
			foreign = append(foreign, name)
		} else {
			vanity = append(vanity, name)
		}
	}
	switch delegated := hostedName(zone) + " is delegated to "; {
	case len(foreign) == 0:
		return []Finding{{
			Text: delegated + strings.Join(vanity, ", ") + ", by address servers that AliDNS assigned",
			Hint: "keep their addresses those of " + strings.Join(assigned, ", "),
		}}
	case len(unresolved) > 0:
		return []Finding{{
			Text: fmt.Sprintf("%s%s, which was not compared with the servers that AliDNS assigned: no resolver tells the addresses of %s",
				delegated, strings.Join(foreign, ", "), strings.Join(unresolved, ", ")),
			Hint: "see why the resolvers do not tell them, or compare the delegation with what the AliDNS console shows",
		}}
	}
	return []Finding{found.elsewhere(zone, foreign)}
}

// elsewhere is the finding that name servers are foreign. It blocks only if a
// name server named one of them: resolvers alone may see another view of the zone
// than the CA does.
func (d delegation) elsewhere(zone aliyun.Domain, foreign []string) Finding {
	var tellers []string
	blocks := false
	for _, name := range foreign {
		tellers = union(tellers, []string{d.told[name]})
		blocks = blocks || slices.Contains(d.sure, name)
	}
	return Finding{
		Blocks: blocks,
		Text: fmt.Sprintf("%s is delegated to %s, which AliDNS does not write to (says %s)",
			hostedName(zone), strings.Join(foreign, ", "), strings.Join(tellers, ", ")),
		Hint: "delegate it, at its registrar or in its parent, to " + strings.Join(assignedTo(zone), ", ") +
			", and to no others, or set nameservers in [dns] when this network has a view of its own",
	}
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

// addressesOf returns the addresses of all hosts, with the port, and the hosts
// for which none is known.
func (p *Prover) addressesOf(ctx context.Context, hosts []string) (all, unresolved []string) {
	found := make([][]string, len(hosts))
	inParallel(len(hosts), func(i int) { found[i], _ = p.addresses(ctx, hosts[i]) })
	for i, host := range hosts {
		if len(found[i]) == 0 {
			unresolved = append(unresolved, host)
		}
		for _, address := range found[i] {
			all = append(all, net.JoinHostPort(address, p.port))
		}
	}
	return all, unresolved
}

// unfound is the finding that nobody names the zone's name servers, or that its
// parent does not, so that resolvers answer for its names from the parent. It
// does not block when no resolver answers here: the CA has others.
func unfound(zone aliyun.Domain, err error) Finding {
	finding := Finding{Blocks: !errors.Is(err, errNoWord), Text: err.Error(), Hint: hint.Of(err)}
	if denied, ok := errors.AsType[*denial](err); ok {
		finding.Text = denied.Error() + ": resolvers answer from " + denied.parent
		finding.Hint = "delegate it in " + denied.parent
		if assigned := assignedTo(zone); len(assigned) > 0 {
			finding.Hint += " to " + strings.Join(assigned, ", ")
		}
		finding.Hint += ", or delete the zone in AliDNS if its parent is hosted there too"
	}
	return finding
}
