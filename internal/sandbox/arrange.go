package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AddInstance puts an instance into the account, as a purchase would, and
// tells its InstanceId; an empty id makes a new one. certType is DV, OV, EV or
// FREE, source BUY or another origin, status PAYED or another state. What was
// bought and is not free is an instance of 2020-04-07 too.
func (s *Sandbox) AddInstance(certType, source, status, id string) string {
	i := instance{Instance: Instance{CertType: certType, Source: source, Status: status, InstanceID: id}}
	if source == "BUY" && certType != "FREE" {
		i.subscription = Subscription{
			CertificateType: certType, FullDomainCount: s.options.Names, WildcardDomainCount: s.options.Wildcards,
			OrderEnd: time.Now().Add(s.options.Term),
		}.withDefaults(time.Now())
	}
	return s.cas.addInstance(i)
}

// Instances lists the account's instances, oldest first.
func (s *Sandbox) Instances() []Instance { return s.cas.list() }

// Submitted counts the calls of CreateDVOrderAudit that were accepted, over all instances.
func (s *Sandbox) Submitted() int {
	total := 0
	for _, i := range s.Instances() {
		total += i.Submissions
	}
	return total
}

// Orders lists the last order of each instance that had one, the earliest first.
func (s *Sandbox) Orders() []Order {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	list := []Order{}
	for _, o := range s.cas.orders {
		list = append(list, o.shown())
	}
	slices.SortFunc(list, func(a, b Order) int { return a.Submitted.Compare(b.Submitted) })
	return list
}

// Submit places an order on an instance as another holder of the account would,
// bound for what the faults in force make of it.
func (s *Sandbox) Submit(instanceID string, domains ...string) error {
	list, err := splitDomains(strings.Join(domains, ","))
	if err != nil {
		return err
	}
	c := s.faults.newCall("CreateDVOrderAudit")
	return s.cas.submit(newOrder(instanceID, list, "DNS", newProof(list[0], validationName(list[0]))), c)
}

// ForceOrder puts the order on an instance into a state: checking, check_fail,
// checked_fail, issued (the certificate is made at once, whatever the name
// servers show), or any other text, which the order then has as its OrderStatus.
func (s *Sandbox) ForceOrder(instanceID, status string) error {
	o, ok := s.cas.order(instanceID)
	if !ok {
		return fmt.Errorf("no order on instance %q", instanceID)
	}
	if status == issued {
		return s.cas.issue(o)
	}
	if !s.cas.update(o, func(o *order) { o.Status, o.fate = status, "" }) {
		return fmt.Errorf("the order on instance %q changed meanwhile", instanceID)
	}
	return nil
}

// AddRecord puts a record of someone else into a hosted zone, with a TTL of
// 600 s, and tells its RecordId. rr is relative to the zone, "@" for its apex.
// It fails as AddDomainRecord does.
func (s *Sandbox) AddRecord(zone, rr, recordType, value string) (recordID string, err error) {
	z := s.zones.named(zone)
	if z == nil {
		return "", fmt.Errorf("zone %q is not hosted here", zone)
	}
	r, err := newRecord(z, params{"RR": rr, "Type": recordType, "Value": value})
	if err != nil {
		return "", err
	}
	return r.RecordID, s.zones.add(z, r)
}

// Records lists what a hosted zone holds now, oldest first; nil for any other zone.
func (s *Sandbox) Records(zone string) []Record {
	z := s.zones.named(zone)
	if z == nil {
		return nil
	}
	return s.zones.records(z)
}

// DeleteRecord takes a record away, as its owner would.
func (s *Sandbox) DeleteRecord(recordID string) error {
	z := s.zones.holding(recordID)
	if z == nil {
		return fmt.Errorf("there is no record %q", recordID)
	}
	return s.zones.remove(z, recordID)
}
