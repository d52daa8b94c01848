package sandbox

import (
	"crypto"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// operations2018 are those of CAS 2018-07-13, whose arrays are flat.
func (s *cas) operations2018() operations {
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
	if verifyType == "FILE" && hasWildcard(domains) {
		return nil, invalidParameter("DomainVerifyType")
	}
	proofs := []Proof{newProof(domains[0], validationName(domains[0]))}
	if verifyType == "FILE" {
		proofs = fileProofs(domains)
	}
	o := newOrder(p["InstanceId"], domains, verifyType, proofs...)
	if s.keyType != "" {
		o.keyPair = sync.OnceValues(func() (crypto.Signer, error) { return newKey(s.keyType) })
	}
	o.province, o.city = p["Province"], p["City"]
	return object{}, s.submit(o, c)
}

// submit puts an order on its instance, which must be paid for and free.
func (s *cas) submit(o *order, c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	instance := s.instance(o.InstanceID)
	if instance == nil || !instance.shownIn2018() {
		return notFound(c.params["Lang"])
	}
	validatesDomains := instance.CertType == "DV" || instance.CertType == "FREE"
	free := instance.Status == "PAYED" || instance.Status == "CHECKED_FAIL"
	if !validatesDomains || !free || instance.over(c.now) {
		return refusal(http.StatusForbidden, "OrderStateError", "The status of the order does not allow this operation.")
	}
	instance.Submissions++
	s.place(o, c)
	return nil
}

func (s *cas) describeDVOrderResult(c *call) (object, error) {
	if err := c.params.require("InstanceId"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	instance := s.instance(c.params["InstanceId"])
	if instance == nil || !instance.shownIn2018() {
		return nil, notFound(c.params["Lang"])
	}
	o := s.orders[instance.InstanceID]
	if o == nil {
		return object{"OrderStatus": strings.ToLower(instance.Status)}, nil
	}
	answer := object{"OrderStatus": o.Status}
	switch o.Status {
	case checking:
		proof := o.newestProof()
		answer["CheckType"], answer["CheckName"], answer["CheckValue"] = o.CheckType, proof.Name, proof.Value
	case issued:
		answer["Certificate"], answer["PrivateKey"] = o.certificate.cert, o.certificate.key
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
