package agent

import (
	"context"
	"strings"
	"sync"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// zonesLive is how long the zones of an account are believed; a run that waits
// for propagation does not read them again.
const zonesLive = 5 * time.Minute

// zoneList has a lock of its own: an account that does not answer holds up no
// other one's certificates.
type zoneList struct {
	mu    sync.Mutex
	zones dnsvalidate.Zones
	at    time.Time
}

// running is what the account's orders that nobody here claimed turned out to be.
type running struct {
	ours      map[string]aliyun.Instance // by the certificate that they are for
	undecided string                     // one that does not say yet whose it is, or ""
}

// zonesOf returns the zones that the account hosts.
func (a *Agent) zonesOf(ctx context.Context, account string) (dnsvalidate.Zones, error) {
	list := a.zoneList(account)
	list.mu.Lock()
	defer list.mu.Unlock()
	if !list.at.IsZero() && time.Since(list.at) < zonesLive {
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
	list.zones, list.at = zones, time.Now()
	return zones, nil
}

func (a *Agent) zoneList(account string) *zoneList {
	a.zonesMu.Lock()
	defer a.zonesMu.Unlock()
	list := a.zones[account]
	if list == nil {
		list = &zoneList{}
		a.zones[account] = list
	}
	return list
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
			instances, err := client.DescribeOrderInstanceList(ctx)
			if err == nil {
				p.spare(name, p.countSpare(name, instances))
				p.mu.Lock()
				defer p.mu.Unlock()
				p.listed[name] = instances
			}
			return instances, err
		}),
		certificates: sync.OnceValues(func() ([]aliyun.Certificate, error) {
			client, err := p.Client(name)
			if err != nil {
				return nil, err
			}
			return client.DescribeUserCertificateList(ctx)
		}),
	}
	lists.adoptable = sync.OnceValues(func() (running, error) {
		instances, err := lists.instances()
		if err != nil {
			return running{}, err
		}
		return p.findAdoptable(ctx, name, instances)
	})
	p.lists[name] = lists
	return lists
}

// findAdoptable asks each instance that is being checked and that nobody here
// has claimed for whose name it is.
func (p *pass) findAdoptable(ctx context.Context, account string, instances []aliyun.Instance) (running, error) {
	found := running{ours: map[string]aliyun.Instance{}}
	client, err := p.Client(account)
	if err != nil {
		return found, err
	}
	for _, instance := range instances {
		if err := p.noteFree(account, instance); err != nil {
			return found, err
		}
		if !p.unclaimed(account, instance) {
			continue
		}
		result, err := client.DescribeDVOrderResult(ctx, instance.InstanceID)
		if err != nil {
			return found, err
		}
		name, known := p.claimant(account, result)
		switch {
		case name != "":
			found.ours[name] = instance
		case !known:
			found.undecided = instance.InstanceID
		default:
			err = p.instances.Record(order.InstanceEntry{At: wallClock(), Kind: order.InstanceForeign,
				Account: account, Instance: instance.InstanceID})
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// unclaimed says that a running order may be adopted, as far as we know.
func (p *pass) unclaimed(account string, i aliyun.Instance) bool {
	return i.DV() && i.Status.Checking() &&
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
	return p.instances.Record(order.InstanceEntry{At: wallClock(), Kind: order.InstanceFree,
		Account: account, Instance: i.InstanceID})
}

// claimant is the one certificate of the account that a running order is for,
// or "". known says that the answer was enough to tell.
func (p *pass) claimant(account string, result aliyun.OrderResult) (name string, known bool) {
	if result.Status.Issued() {
		b, err := bundle.Parse([]byte(result.Certificate), []byte(result.PrivateKey))
		if err != nil {
			return "", false
		}
		return p.closest(account, func(c config.Certificate) int {
			if uncovered(b.Leaf, c.Domains) != "" {
				return 0
			}
			return len(c.Domains)
		}), true
	}
	checkName := strings.ToLower(strings.TrimSuffix(result.CheckName, "."))
	name = p.closest(account, func(c config.Certificate) int { return under(checkName, c.Domains) })
	if name == "" {
		name = p.closest(account, func(c config.Certificate) int { return relativeTo(checkName, c.Domains) })
	}
	return name, name != "" || strings.Count(checkName, ".") > 1
}

// relativeTo is 1 when the name is a host value in the zone of the domains.
func relativeTo(name string, domains []string) int {
	if whole, err := dnsvalidate.CheckName(name, domains); err != nil || whole == name {
		return 0
	}
	return 1
}

// under returns the length of the longest of the domains that the name lies
// below, 0 when there is none.
func under(name string, domains []string) (longest int) {
	for _, domain := range domains {
		domain = strings.TrimPrefix(domain, "*.")
		if strings.HasSuffix(name, "."+domain) {
			longest = max(longest, len(domain))
		}
	}
	return longest
}

// closest names the one certificate of the account that matches best, or ""
// when none does or two do alike.
func (p *pass) closest(account string, match func(config.Certificate) int) string {
	best, name := 0, ""
	for _, certificate := range p.config.Certificates {
		if certificate.Account != account {
			continue
		}
		switch score := match(certificate); {
		case score == 0 || score < best:
		case score == best:
			name = ""
		default:
			best, name = score, certificate.Name
		}
	}
	return name
}
