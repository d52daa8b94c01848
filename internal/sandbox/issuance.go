package sandbox

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// open copies the orders that the CA is to look at.
func (s *cas) open() []order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []order
	for _, o := range s.orders {
		i := s.instance(o.InstanceID)
		ended := i != nil && i.over(time.Now())
		if (o.Status == checking || o.Status == payed) && !ended {
			list = append(list, *o)
		}
	}
	return list
}

// awaited tells whether the CA has to look again without being told to.
func (s *cas) awaited() bool {
	isHeld := func(o order) bool { return o.fate == held && o.withdrawAt.IsZero() }
	return s.reissueAfter > 0 || slices.ContainsFunc(s.open(), func(o order) bool { return !isHeld(o) })
}

// update changes an order that was looked at before, and its instance with
// it; false when the order has moved on or gone in the meantime, and is left alone.
func (s *cas) update(seen order, change func(*order)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[seen.InstanceID]
	if o == nil || o.Submitted != seen.Submitted || o.Status != seen.Status || o.newestProof().Value != seen.newestProof().Value {
		return false
	}
	change(o)
	s.follow(o)
	return true
}

// record notes which proofs were seen; once all are, the next one is asked for, if there is any.
func (o *order) record(proofs []Proof) {
	o.Proofs = proofs
	switch {
	case !o.proven():
	case len(o.next) > 0:
		o.Proofs, o.next = append(o.Proofs, o.next[0]), o.next[1:]
	default:
		o.Seen = time.Now()
	}
}

// issue signs the order's certificate, and puts it into the account's list.
func (s *cas) issue(seen order) error {
	c, err := s.sign(seen)
	if err != nil {
		return err
	}
	s.update(seen, func(o *order) {
		s.addCertificate(c)
		c.name = cmp.Or(o.name, fmt.Sprintf("cert-%d", c.id))
		o.Status, o.certificate = issued, c
		s.countIssued(o)
	})
	return nil
}

// countIssued notes an issuance with what it was paid from; the caller holds the lock.
func (s *cas) countIssued(o *order) {
	if i := s.instance(o.InstanceID); i != nil {
		i.started = orTime(i.started, time.Now())
	}
	for _, placed := range s.packageOrders {
		if placed.instanceID == o.InstanceID {
			s.stock(placed.product).Issued++
		}
	}
}

// sign makes the certificate of an order, as its faults want it, and gives it the
// key where the service has made that.
func (s *cas) sign(o order) (*certificate, error) {
	public, key, err := o.key()
	if err != nil {
		return nil, err
	}
	chain, err := s.authority.issue(o.leaf(s.authority, s.zones.hosted()), public)
	if err != nil {
		return nil, err
	}
	c, err := newCertificate("", chain, "")
	if err != nil {
		return nil, err
	}
	c.key, c.bought, c.province, c.city = key, true, o.province, o.city
	c.instanceID, c.orderID = o.InstanceID, o.orderID
	return c, nil
}

// key is the leaf's public key and, where the service has it, the PEM of the
// private one. With foreignKey the two differ, or the public one is not the applicant's.
func (o *order) key() (public crypto.PublicKey, private string, err error) {
	if o.csr != nil && !o.foreignKey {
		return o.csr.PublicKey, "", nil
	}
	pair, err := o.keyPair()
	if err != nil {
		return nil, "", err
	}
	if o.csr != nil {
		return pair.Public(), "", nil
	}
	answered := pair
	if o.foreignKey {
		if answered, err = newKey("RSA_2048"); err != nil {
			return nil, "", err
		}
	}
	return pair.Public(), keyPEM(answered), nil
}

// leaf describes the order's certificate, spoilt as its faults want it.
func (o *order) leaf(a *authority, zones []*zone) *x509.Certificate {
	leaf := a.leaf(o.certificateNames(zones))
	if o.longest > 0 && leaf.NotAfter.Sub(leaf.NotBefore) > o.longest {
		leaf.NotAfter = leaf.NotBefore.Add(o.longest)
	}
	if !o.latest.IsZero() && leaf.NotAfter.After(o.latest) {
		leaf.NotAfter = o.latest
	}
	for _, spoil := range o.spoil {
		spoil(leaf)
	}
	return leaf
}
