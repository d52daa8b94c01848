package sandbox

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Package is a number of certificates of one product that were paid for together.
type Package struct {
	ProductCode string `json:"ProductCode"`
	Total       int    `json:"TotalCount"`
	Used        int    `json:"UsedCount"` // orders that were accepted, whatever became of them
	Freed       int    `json:"FreedCount"`
	Issued      int    `json:"IssuedCount"`
}

// ParsePackage reads CODE:N.
func ParsePackage(text string) (Package, error) {
	code, count, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || code == "" {
		return Package{}, fmt.Errorf("package %q: want CODE:N, such as digicert-free-1-free:20", text)
	}
	return Package{ProductCode: code, Total: n}, nil
}

const (
	freeProduct    = "digicert-free-1-free"
	packageDomains = 5 // names of one order at most
)

// packageOrder is an order from a package; how it stands is told by the order of its InstanceId.
type packageOrder struct {
	id         int64
	instanceID string
	product    string
	created    time.Time
}

var errQuota = refusal(http.StatusBadRequest, "InsufficientQuota", "The quota is insufficient.")

// stock finds a package, which is empty for a product that nobody bought; the caller holds the lock.
func (s *cas) stock(product string) *Package {
	i := slices.IndexFunc(s.packages, func(p *Package) bool { return p.ProductCode == product })
	if i < 0 {
		return &Package{ProductCode: product}
	}
	return s.packages[i]
}

func (s *cas) describePackageState(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.stock(cmp.Or(c.params["ProductCode"], freeProduct))
	return object{
		"ProductCode": p.ProductCode, "TotalCount": p.Total, "UsedCount": p.Used, "IssuedCount": p.Issued,
	}, nil
}

func (s *cas) createCertificateForPackageRequest(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.contacts) == 0 {
		if err := c.params.require("Username", "Phone", "Email"); err != nil {
			return nil, err
		}
	}
	names, csr, err := packageNames(c.params)
	if err != nil {
		return nil, err
	}
	return s.order2020(c, names, csr)
}

// packageNames are those of Csr, whose common name wins over Domain, or else of Domain.
func packageNames(p params) (names []string, csr *x509.CertificateRequest, err error) {
	if p["Csr"] != "" {
		csr, names, err = readCSR(p["Csr"])
	} else if err = p.require("Domain"); err == nil {
		names, err = splitDomains(p["Domain"])
	}
	if err != nil {
		return nil, nil, err
	}
	isWildcard := func(name string) bool { return strings.HasPrefix(name, "*.") }
	wildcards := len(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !isWildcard(name) }))
	if len(names) > packageDomains || wildcards != 0 && wildcards != len(names) {
		return nil, nil, invalidParameter("Domain")
	}
	return names, csr, nil
}

// createCertificateRequest has the service make the key.
func (s *cas) createCertificateRequest(c *call) (object, error) {
	if err := c.params.require("Domain", "Username", "Phone", "Email", "ValidateType"); err != nil {
		return nil, err
	}
	names, err := splitDomains(c.params["Domain"])
	if err != nil || len(names) > 1 {
		return nil, invalidParameter("Domain")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order2020(c, names, nil)
}

func (s *cas) createCertificateWithCsrRequest(c *call) (object, error) {
	if err := c.params.require("Csr", "Username", "Phone", "Email", "ValidateType"); err != nil {
		return nil, err
	}
	names, csr, err := packageNames(c.params)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order2020(c, names, csr)
}

// order2020 takes one certificate out of a package; the caller holds the lock.
func (s *cas) order2020(c *call, names []string, csr *x509.CertificateRequest) (object, error) {
	verify := cmp.Or(strings.ToUpper(c.params["ValidateType"]), "DNS")
	if verify != "DNS" && verify != "FILE" || verify == "FILE" && hasWildcard(names) {
		return nil, invalidParameter("ValidateType")
	}
	stock := s.stock(cmp.Or(c.params["ProductCode"], freeProduct))
	if strings.Contains(stock.ProductCode, "-w-") != strings.HasPrefix(names[0], "*.") {
		return nil, errNamesDoNotFit
	}
	if stock.Used-stock.Freed >= stock.Total {
		return nil, errQuota
	}
	stock.Used++
	if c.chooses("spend-without-order") {
		return nil, refusal(http.StatusBadRequest, "InternalError", "An internal error has occurred.")
	}
	placed := &packageOrder{
		id: s.nextID(), instanceID: "cas-ivauto-" + randomText(12, alphanumeric), product: stock.ProductCode, created: c.now,
	}
	s.packageOrders = append(s.packageOrders, placed)
	s.place(s.newPackageOrder(placed, names, verify, csr), c)
	return object{"OrderId": placed.id}, nil
}

// newPackageOrder wants one proof after another: the API shows no more than one.
func (s *cas) newPackageOrder(placed *packageOrder, names []string, verify string, csr *x509.CertificateRequest) *order {
	proofs := proofsPerZone(s.zones.hosted(), names)
	o := newOrder(placed.instanceID, names, verify, proofs[0])
	o.next = proofs[1:]
	if verify == "FILE" {
		o.Proofs, o.next = fileProofs(names), nil
	}
	o.Status, o.csr, o.longest, o.orderID = payed, csr, longestOf2020, placed.id
	return o
}
