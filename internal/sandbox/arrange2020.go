package sandbox

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AddSubscription puts an instance into the account, as a purchase would, and
// tells its InstanceId. What is left out is a one-year DV subscription for one
// name, inactive; of InstanceType TEST it is three months.
func (s *Sandbox) AddSubscription(o Subscription) string {
	o = o.withDefaults(time.Now())
	i := instance{Instance: Instance{CertType: o.CertificateType, Source: "BUY", Status: "PAYED"}, subscription: o}
	i.InstanceID = cmp.Or(o.InstanceID, "cas_dv-cn-"+randomText(12, alphanumeric))
	if o.Status == "refund" || o.Status == "closed" {
		i.ended = o.Status
	}
	return s.cas.addInstance(i)
}

// Subscriptions lists the instances that 2020-04-07 shows, oldest first, as
// they stand now.
func (s *Sandbox) Subscriptions() []Subscription {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	list := []Subscription{}
	for _, i := range s.cas.instances {
		if i.shownIn2020() {
			list = append(list, s.cas.subscriptionNow(i, time.Now()))
		}
	}
	return list
}

// Applied counts the applications that 2020-04-07 accepted, over all instances.
func (s *Sandbox) Applied() int {
	total := 0
	for _, i := range s.Subscriptions() {
		total += i.Applications
	}
	return total
}

// EndSubscription moves the end of an instance's time, which may lie in the past.
func (s *Sandbox) EndSubscription(instanceID string, at time.Time) error {
	return s.changeInstance(instanceID, func(i *instance) error {
		i.subscription.OrderEnd = at
		return nil
	})
}

// CloseSubscription ends an instance before its time; status is refund or closed.
func (s *Sandbox) CloseSubscription(instanceID, status string) error {
	if status != "refund" && status != "closed" {
		return fmt.Errorf("status %q is neither refund nor closed", status)
	}
	return s.changeInstance(instanceID, func(i *instance) error {
		i.ended = status
		return nil
	})
}

// Apply has another holder of the account apply for domains on an instance: it
// is pending with a CSR of a key that nobody else has.
func (s *Sandbox) Apply(instanceID string, domains ...string) error {
	csr, err := foreignCSR(domains)
	if err != nil {
		return err
	}
	c := s.faults.newCall("ApplyCertificate")
	return s.changeInstance(instanceID, func(i *instance) error {
		a := i.application
		p := params{"GenerateCsrMethod": "upload", "Csr": csr, "Domain": strings.Join(domains, ",")}
		if err := a.read(p); err != nil {
			return err
		}
		if len(a.contacts) == 0 {
			a.contacts = []int64{s.cas.nextID()}
		}
		i.application = a
		return s.cas.apply(i, c)
	})
}

// foreignCSR signs a request for domains with a key that is then forgotten.
func foreignCSR(domains []string) (string, error) {
	if len(domains) == 0 {
		return "", errors.New("no domain given")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	request := &x509.CertificateRequest{Subject: pkix.Name{CommonName: domains[0]}, DNSNames: domains}
	der, err := x509.CreateCertificateRequest(rand.Reader, request, key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// SetAutoReissue has the owner of the account say whether an instance renews by itself.
func (s *Sandbox) SetAutoReissue(instanceID string, on bool) error {
	return s.changeInstance(instanceID, func(i *instance) error {
		i.application.autoReissue = on
		return nil
	})
}

// Reissue has an instance that has a certificate yield the next one now, for
// the CSR that it holds, as hosting by the account does.
func (s *Sandbox) Reissue(instanceID string) error {
	return s.cas.reissue(instanceID, s.faults.newCall("ApplyCertificate"))
}

func (s *Sandbox) changeInstance(id string, change func(*instance) error) error {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	i := s.cas.instance(id)
	if i == nil || !i.shownIn2020() {
		return fmt.Errorf("there is no instance %q", id)
	}
	s.cas.nudge()
	return change(i)
}

// Packages lists what was bought of each product.
func (s *Sandbox) Packages() []Package {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	list := []Package{}
	for _, p := range s.cas.packages {
		list = append(list, *p)
	}
	return list
}

// BuyPackage adds n certificates to the package of a product.
func (s *Sandbox) BuyPackage(product string, n int) {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	for _, p := range s.cas.packages {
		if p.ProductCode == product {
			p.Total += n
			return
		}
	}
	s.cas.packages = append(s.cas.packages, &Package{ProductCode: product, Total: n})
}

// PackageOrder is an order from a package.
type PackageOrder struct {
	OrderID     int64     `json:"OrderId"`
	InstanceID  string    `json:"InstanceId"` // under which Orders and ForceOrder know it
	ProductCode string    `json:"ProductCode"`
	Domains     []string  `json:"Domains"`
	State       string    `json:"State"`   // as DescribeCertificateState's Type
	KeyHash     string    `json:"KeyHash"` // of the uploaded CSR, as in Certificate; empty without one
	Created     time.Time `json:"Created"`
}

// PackageOrders lists the orders from packages, oldest first.
func (s *Sandbox) PackageOrders() []PackageOrder {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	list := []PackageOrder{}
	for _, placed := range s.cas.packageOrders {
		o := s.cas.orders[placed.instanceID]
		shown := PackageOrder{
			OrderID: placed.id, InstanceID: placed.instanceID, ProductCode: placed.product,
			Domains: o.Domains, State: o.packageState(), Created: placed.created,
		}
		if o.csr != nil {
			shown.KeyHash = keyHash(o.csr.RawSubjectPublicKeyInfo)
		}
		list = append(list, shown)
	}
	return list
}

// OrderPackage has another holder of the account order domains from a package,
// with a key that nobody else has, and tells the OrderId.
func (s *Sandbox) OrderPackage(product string, domains ...string) (int64, error) {
	csr, err := foreignCSR(domains)
	if err != nil {
		return 0, err
	}
	c := s.faults.newCall("CreateCertificateForPackageRequest")
	c.params = params{"ProductCode": product, "Csr": csr}
	names, request, err := packageNames(c.params)
	if err != nil {
		return 0, err
	}
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	answer, err := s.cas.order2020(c, names, request)
	if err != nil {
		return 0, err
	}
	return answer["OrderId"].(int64), nil
}

// AddContact tells the new contact's id.
func (s *Sandbox) AddContact(c Contact) int64 { return s.cas.addContact(c) }

// Contacts lists the account's contacts, oldest first.
func (s *Sandbox) Contacts() []Contact {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	return slices.Clone(s.cas.contacts)
}

// Revoke has the owner of the account, or the CA, declare a certificate void that was
// issued here. It fails where there is none that is valid.
func (s *Sandbox) Revoke(certificateID int64) error {
	for _, c := range s.Certificates() {
		if c.ID == certificateID {
			call := &call{now: time.Now(), params: params{"InstanceId": c.InstanceID, "CertificateId": strconv.FormatInt(c.ID, 10)}}
			_, err := s.cas.revokeCertificate(call)
			return err
		}
	}
	return fmt.Errorf("there is no certificate %d", certificateID)
}

// Certificates lists the account's certificates, oldest first.
func (s *Sandbox) Certificates() []Certificate {
	s.cas.mu.Lock()
	defer s.cas.mu.Unlock()
	list := []Certificate{}
	for _, c := range s.cas.certificates {
		list = append(list, c.shown())
	}
	return list
}
