package sandbox

import (
	"slices"
	"strconv"
)

// packageOrder finds what OrderId names, and its order; the caller holds the lock.
func (s *cas) packageOrder(p params) (*packageOrder, *order, error) {
	if err := p.require("OrderId"); err != nil {
		return nil, nil, err
	}
	id, err := strconv.ParseInt(p["OrderId"], 10, 64)
	if err != nil {
		return nil, nil, invalidParameter("OrderId")
	}
	for _, placed := range s.packageOrders {
		if placed.id == id {
			return placed, s.orders[placed.instanceID], nil
		}
	}
	return nil, nil, notFound2020(p["Lang"])
}

func (s *cas) describeCertificateState(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, o, err := s.packageOrder(c.params)
	if err != nil {
		return nil, err
	}
	answer := object{"Type": o.packageState()}
	switch answer["Type"] {
	case "domain_verify":
		o.describeProof(answer)
	case "certificate":
		answer["Certificate"], answer["PrivateKey"] = o.certificate.cert, o.certificate.key
		answer["CertId"] = strconv.FormatInt(o.certificate.id, 10)
		o.collected++
		c.collected = o.collected
	}
	return answer, nil
}

// packageState is the order's state in the words of DescribeCertificateState.
func (o *order) packageState() string {
	switch {
	case o.Status == payed || o.Status == withdrawn:
		return "payed"
	case o.Status == checking && o.Seen.IsZero():
		return "domain_verify"
	case o.Status == checking:
		return "process"
	case o.Status == issued:
		return "certificate"
	case o.failed():
		return "verify_fail"
	}
	return "unknow" // so spelt in the reference
}

// describeProof tells the newest proof alone.
func (o *order) describeProof(answer object) {
	p := o.newestProof()
	answer["ValidateType"], answer["Domain"] = o.CheckType, p.Domain
	if o.CheckType == "FILE" {
		answer["Uri"], answer["Content"] = "/"+p.Key, p.Value
		return
	}
	answer["RecordDomain"], answer["RecordType"], answer["RecordValue"] = p.Key, p.Type, p.Value
}

// cancelOrderRequest withdraws an order, which is then paid for as before.
func (s *cas) cancelOrderRequest(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, o, err := s.packageOrder(c.params)
	if err != nil {
		return nil, err
	}
	if o.Status != checking {
		return nil, errStatusNotSupport
	}
	o.Status = withdrawn
	return object{}, nil
}

// deleteCertificateRequest gives back what a withdrawn or failed order took.
func (s *cas) deleteCertificateRequest(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	placed, o, err := s.packageOrder(c.params)
	if err != nil {
		return nil, err
	}
	if o.Status != withdrawn && !o.failed() {
		return nil, errStatusNotSupport
	}
	s.packageOrders = slices.DeleteFunc(s.packageOrders, func(other *packageOrder) bool { return other == placed })
	delete(s.orders, placed.instanceID)
	s.stock(placed.product).Freed++
	return object{}, nil
}
