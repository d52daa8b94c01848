package sandbox

import (
	"fmt"
	"time"
)

// open copies the orders that are being checked.
func (s *cas) open() []order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []order
	for _, o := range s.orders {
		if o.Status == checking {
			list = append(list, *o)
		}
	}
	return list
}

// update changes an order that was looked at before, and its instance with
// it; false when the order has moved on in the meantime, and is left alone.
func (s *cas) update(seen order, change func(*order)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[seen.InstanceID]
	if o.CheckValue != seen.CheckValue || o.Status != seen.Status {
		return false
	}
	change(o)
	s.instance(o.InstanceID).Status = instanceStatus(o.Status)
	return true
}

// recordSeen notes that the pair was found; where a fault wants a further one, that comes next.
func (o *order) recordSeen() {
	if len(o.next) > 0 {
		o.ask(o.next[0])
		o.next = o.next[1:]
		return
	}
	o.Seen = time.Now()
}

// issue signs the order's certificate, and puts it into the account's list.
func (s *cas) issue(seen order) error {
	c, err := s.sign(seen)
	if err != nil {
		return err
	}
	s.update(seen, func(o *order) {
		c.id = s.nextID()
		c.name = fmt.Sprintf("cert-%d", c.id)
		s.certificates = append(s.certificates, c)
		o.Status, o.certificate, o.key = issued, c.cert, c.key
	})
	return nil
}

// sign makes the pair of an order, as its faults want it.
func (s *cas) sign(o order) (*certificate, error) {
	key, err := o.keyPair()
	if err != nil {
		return nil, err
	}
	leaf := s.authority.leaf(o.certificateNames(s.zones.hosted()))
	for _, spoil := range o.spoil {
		spoil(leaf)
	}
	chain, err := s.authority.issue(leaf, key)
	if err != nil {
		return nil, err
	}
	c, err := newCertificate("", chain, keyPEM(key))
	if err != nil {
		return nil, err
	}
	c.bought, c.province, c.city = true, o.province, o.city
	if o.foreignKey {
		if key, err = newKey(); err != nil {
			return nil, err
		}
		c.key = keyPEM(key)
	}
	return c, nil
}
