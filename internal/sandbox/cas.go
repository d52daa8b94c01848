package sandbox

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// cas answers the operations of CAS 2018-07-13. Its arrays are flat.
type cas struct {
	zones     *zones
	authority *authority

	mu           sync.Mutex
	instances    []*Instance
	orders       map[string]*order // by InstanceId
	certificates []*certificate
	lastID       int64

	keys sync.WaitGroup // those that are being made
}

func newCAS(zs *zones, a *authority) *cas {
	return &cas{zones: zs, authority: a, orders: map[string]*order{}, lastID: 2755600}
}

func (s *cas) operations() operations {
	return operations{
		"CreateDVOrderAudit":            s.createDVOrderAudit,
		"DescribeDVOrderResult":         s.describeDVOrderResult,
		"DescribeOrderInstanceList":     s.describeOrderInstanceList,
		"DescribeUserCertificateList":   s.describeUserCertificateList,
		"DescribeUserCertificateDetail": s.describeUserCertificateDetail,
		"CreateUserCertificate":         s.createUserCertificate,
		"DeleteUserCertificate":         s.deleteUserCertificate,
	}
}

func (s *cas) createDVOrderAudit(c *call) (object, error) {
	p := c.params
	err := p.require("InstanceId", "Domain", "DomainVerifyType", "Username", "Email", "Mobile", "Province", "City")
	if err != nil {
		return nil, err
	}
	domains, err := splitDomains(p["Domain"])
	if err != nil {
		return nil, err
	}
	verifyType := strings.ToUpper(p["DomainVerifyType"])
	if verifyType != "DNS" && verifyType != "FILE" {
		return nil, invalidParameter("DomainVerifyType")
	}
	o := newOrder(p["InstanceId"], domains, verifyType)
	o.province, o.city = p["Province"], p["City"]
	return object{}, s.submit(o, c)
}

// submit puts an order on its instance, which must be paid for and free.
func (s *cas) submit(o *order, c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	instance := s.instance(o.InstanceID)
	if instance == nil {
		return notFound(c.params["Lang"])
	}
	validatesDomains := instance.CertType == "DV" || instance.CertType == "FREE"
	free := instance.Status == "PAYED" || instance.Status == "CHECKED_FAIL"
	if !validatesDomains || !free {
		return refusal(http.StatusForbidden, "OrderStateError", "The status of the order does not allow this operation.")
	}
	c.decideFate(o)
	instance.Status = instanceStatus(o.Status)
	instance.Submissions++
	s.orders[o.InstanceID] = o
	s.keys.Go(func() { _, _ = o.keyPair() })
	return nil
}

func (s *cas) describeDVOrderResult(c *call) (object, error) {
	if err := c.params.require("InstanceId"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	instance := s.instance(c.params["InstanceId"])
	if instance == nil {
		return nil, notFound(c.params["Lang"])
	}
	o := s.orders[instance.InstanceID]
	if o == nil {
		return object{"OrderStatus": strings.ToLower(instance.Status)}, nil
	}
	answer := object{"OrderStatus": o.Status}
	switch o.Status {
	case checking:
		answer["CheckType"], answer["CheckName"], answer["CheckValue"] = o.CheckType, o.CheckName, o.CheckValue
	case issued:
		answer["Certificate"], answer["PrivateKey"] = o.certificate, o.key
		o.collected++
		c.collected = o.collected
	}
	return answer, nil
}

// instancePage is how many rows DescribeOrderInstanceList answers at once.
const instancePage = 50

func (s *cas) describeOrderInstanceList(c *call) (object, error) {
	if err := c.params.require("StartIndex"); err != nil {
		return nil, err
	}
	start, err := c.params.integer("StartIndex", 0, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	size, _ := c.pageSize("", instancePage, instancePage)
	rows := []object{}
	for _, i := range slices.Backward(s.list()) {
		rows = append(rows, object{
			"Id": i.ID, "InstanceId": i.InstanceID, "CertType": i.CertType, "Source": i.Source, "Status": i.Status,
		})
	}
	return object{"TotalCount": len(rows), "OrderList": page(rows, start, size)}, nil
}

// list copies the instances, oldest first.
func (s *cas) list() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Instance
	for _, i := range s.instances {
		list = append(list, *i)
	}
	return list
}

// instance finds an instance; the caller holds the lock.
func (s *cas) instance(id string) *Instance {
	for _, i := range s.instances {
		if i.InstanceID == id {
			return i
		}
	}
	return nil
}

// order copies the order on an instance.
func (s *cas) order(instanceID string) (order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.orders[instanceID]
	if !ok {
		return order{}, false
	}
	return *o, true
}

// addInstance fills in the ids that are left out, and tells the InstanceId.
func (s *cas) addInstance(i Instance) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.ID == 0 {
		i.ID = s.nextID()
	}
	if i.InstanceID == "" {
		i.InstanceID = "cas-cn-" + randomText(12, alphanumeric)
	}
	s.instances = append(s.instances, &i)
	return i.InstanceID
}

// nextID is a number that no instance or certificate has; the caller holds the lock.
func (s *cas) nextID() int64 {
	s.lastID += 10
	return s.lastID
}
