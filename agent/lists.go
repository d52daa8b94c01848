package agent

import (
	"context"
	"strings"
	"sync"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
)

// zonesLive is how long the zones of an account are believed; a run that waits
// for propagation does not read them again.
const zonesLive = 5 * time.Minute

type zoneList struct {
	zones dnsvalidate.Zones
	at    time.Time
}

// zonesOf returns the zones that the account hosts.
func (a *Agent) zonesOf(ctx context.Context, account string) (dnsvalidate.Zones, error) {
	a.zonesMu.Lock()
	defer a.zonesMu.Unlock()
	if list, known := a.zones[account]; known && time.Since(list.at) < zonesLive {
		return list.zones, nil
	}
	client, err := a.Client(account)
	if err != nil {
		return nil, err
	}
	zones, err := client.DescribeDomains(ctx)
	if err != nil {
		return nil, err
	}
	a.zones[account] = zoneList{zones, time.Now()}
	return zones, nil
}

// account returns the lists of an account, each of which is read at most once
// in a pass, by whoever wants it first.
func (p *pass) account(ctx context.Context, name string) *accountLists {
	p.mu.Lock()
	defer p.mu.Unlock()
	if lists := p.lists[name]; lists != nil {
		return lists
	}
	lists := &accountLists{
		instances: sync.OnceValues(func() ([]aliyun.Instance, error) {
			client, err := p.Client(name)
			if err != nil {
				return nil, err
			}
			return client.DescribeOrderInstanceList(ctx)
		}),
		certificates: sync.OnceValues(func() ([]aliyun.Certificate, error) {
			client, err := p.Client(name)
			if err != nil {
				return nil, err
			}
			return client.DescribeUserCertificateList(ctx)
		}),
	}
	lists.adoptable = sync.OnceValues(func() (map[string]aliyun.Instance, error) {
		instances, err := lists.instances()
		if err != nil {
			return nil, err
		}
		return p.findAdoptable(ctx, name, instances)
	})
	p.lists[name] = lists
	return lists
}

// findAdoptable asks each instance that is being checked and that nobody here
// has claimed for whose name it is. The answer maps certificates to instances.
func (p *pass) findAdoptable(ctx context.Context, account string, instances []aliyun.Instance) (map[string]aliyun.Instance, error) {
	adoptable := map[string]aliyun.Instance{}
	client, err := p.Client(account)
	if err != nil {
		return nil, err
	}
	for _, instance := range instances {
		if err := p.noteFree(account, instance); err != nil {
			return nil, err
		}
		if !p.unclaimed(account, instance) {
			continue
		}
		result, err := client.DescribeDVOrderResult(ctx, instance.InstanceID)
		if err != nil {
			return nil, err
		}
		name, ours := p.claimant(account, result.CheckName)
		switch {
		case ours:
			adoptable[name] = instance
		case result.CheckName != "":
			err = p.instances.Record(order.InstanceEntry{At: time.Now(), Kind: order.InstanceForeign,
				Account: account, Instance: instance.InstanceID})
		}
		if err != nil {
			return nil, err
		}
	}
	return adoptable, nil
}

// unclaimed says that a running order may be adopted, as far as we know.
func (p *pass) unclaimed(account string, i aliyun.Instance) bool {
	return strings.EqualFold(i.CertType, "DV") && i.Status.Checking() &&
		p.instances.Holder(account, i.InstanceID) == "" &&
		!p.instances.Foreign(account, i.InstanceID) && !p.instances.Abandoned(account, i.InstanceID)
}

// noteFree lifts the ban on an abandoned instance, and forgets that it was
// foreign, once the server says that it can be submitted again.
func (p *pass) noteFree(account string, i aliyun.Instance) error {
	banned := p.instances.Abandoned(account, i.InstanceID) || p.instances.Foreign(account, i.InstanceID)
	if !banned || !i.Status.Spare() && !i.Status.Failed() {
		return nil
	}
	return p.instances.Record(order.InstanceEntry{At: time.Now(), Kind: order.InstanceFree,
		Account: account, Instance: i.InstanceID})
}

// claimant is the one certificate of the account whose name the check name
// lies under; the longest such name counts.
func (p *pass) claimant(account, checkName string) (string, bool) {
	checkName = strings.ToLower(strings.TrimSuffix(checkName, "."))
	longest, name, ties := 0, "", 0
	for _, certificate := range p.config.Certificates {
		if certificate.Account != account {
			continue
		}
		best := 0
		for _, domain := range certificate.Domains {
			domain = strings.TrimPrefix(domain, "*.")
			if strings.HasSuffix(checkName, "."+domain) {
				best = max(best, len(domain))
			}
		}
		switch {
		case best == 0 || best < longest:
		case best == longest:
			ties++
		default:
			longest, name, ties = best, certificate.Name, 0
		}
	}
	return name, name != "" && ties == 0
}
