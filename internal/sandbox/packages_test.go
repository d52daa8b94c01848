package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// packed is a sandbox with 20 certificates of the free product and 5 of a wildcard one.
func packed(t *testing.T, specs ...string) (*Sandbox, *client) {
	t.Helper()
	o := quick
	o.Zones = []string{"example.com", "example.net"}
	o.Packages = []Package{{ProductCode: freeProduct, Total: 20}, {ProductCode: "vtrus-dv-w-starter", Total: 5}}
	o.Faults = parsed(t, specs)
	s := start(t, o)
	return s, newClient(t, s)
}

func (c *client) stateUntil(order, kind string) answer {
	c.t.Helper()
	var a answer
	eventually(c.t, func() bool {
		a = c.accepted("DescribeCertificateState", "OrderId", order)
		return a.text("Type") == kind
	})
	return a
}

// orderFromPackage tells the OrderId.
func (c *client) orderFromPackage(names ...string) string {
	c.t.Helper()
	csr, _ := newCSR(c.t, names...)
	return number(c.accepted("CreateCertificateForPackageRequest", "Csr", csr, "ValidateType", "DNS").fields["OrderId"])
}

func TestAnOrderFromAPackageIsRefused(t *testing.T) {
	s, c := packed(t)
	apex, _ := newCSR(t, "example.com")
	six, _ := newCSR(t, "a.example.com", "b.example.com", "c.example.com", "d.example.com", "e.example.com", "f.example.com")
	mixed, _ := newCSR(t, "*.example.com", "example.com")
	wildcard, _ := newCSR(t, "*.example.com")
	person := []string{"Username", "a", "Phone", "1", "Email", "a@example.com", "ValidateType", "DNS"}
	for _, test := range []struct {
		name, action, code string
		pairs              []string
	}{
		{"without names", "CreateCertificateForPackageRequest", "MissingParameter", nil},
		{"for six names", "CreateCertificateForPackageRequest", "InvalidParameter", []string{"Csr", six}},
		{"for a wildcard beside a name", "CreateCertificateForPackageRequest", "InvalidParameter", []string{"Csr", mixed}},
		{"for a wildcard of a product without", "CreateCertificateForPackageRequest", "DomainAndProductNotMatch", []string{"Csr", wildcard}},
		{"for a name of a wildcard product", "CreateCertificateForPackageRequest", "DomainAndProductNotMatch", []string{"Csr", apex, "ProductCode", "vtrus-dv-w-starter"}},
		{"for a CSR that is none", "CreateCertificateForPackageRequest", "InvalidParameter", []string{"Csr", "rubbish"}},
		{"for an unknown proof", "CreateCertificateForPackageRequest", "InvalidParameter", []string{"Csr", apex, "ValidateType", "EMAIL"}},
		{"of a product that nobody bought", "CreateCertificateForPackageRequest", "InsufficientQuota", []string{"Csr", apex, "ProductCode", "geotrust-dv-1-starter"}}, // fault 111
		{"for two names with a key of the service", "CreateCertificateRequest", "InvalidParameter", append([]string{"Domain", "a.example.com,b.example.com"}, person...)},
		{"without a person", "CreateCertificateRequest", "MissingParameter", []string{"Domain", "a.example.com"}},
		{"without a CSR", "CreateCertificateWithCsrRequest", "MissingParameter", person},
		{"without a person, with a CSR", "CreateCertificateWithCsrRequest", "MissingParameter", []string{"Csr", apex}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if a := c.cas2020(test.action, test.pairs...); a.status != 400 || a.text("Code") != test.code {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	if got := s.Packages()[0]; got.Used != 0 || len(s.PackageOrders()) != 0 {
		t.Errorf("something was used: %+v", got)
	}
}

func TestNamesOfTwoZonesAreProvenInTurn(t *testing.T) { // fault 105
	s, c := packed(t)
	order := c.orderFromPackage("www.example.com", "www.example.net")
	for _, zone := range []string{"example.com", "example.net"} {
		a := c.stateUntil(order, "domain_verify")
		for a.text("Domain") != "www."+zone {
			a = c.stateUntil(order, "domain_verify")
		}
		if _, err := s.AddRecord(zone, a.text("RecordDomain"), a.text("RecordType"), a.text("RecordValue")); err != nil {
			t.Fatal(err)
		}
	}
	done := c.stateUntil(order, "certificate")
	detail := c.accepted("GetUserCertificateDetail", "CertId", done.text("CertId"))
	if detail.text("Cert") != done.text("Certificate") || number(detail.fields["OrderId"]) != order || detail.text("InstanceId") != s.PackageOrders()[0].InstanceID {
		t.Errorf("%s", detail.body)
	}
	if s.Certificates()[0].KeyHash != s.PackageOrders()[0].KeyHash {
		t.Error("the certificate is not for the CSR's key")
	}
	rows := c.accepted("ListUserCertificateOrder", "OrderType", "CERT").rows("CertificateOrderList")
	if len(rows) != 1 || rows[0]["InstanceId"] != s.PackageOrders()[0].InstanceID {
		t.Errorf("the certificate's row: %v", rows)
	}
}

func TestAFailedOrderGivesItsQuotaBack(t *testing.T) {
	s, c := packed(t, "check-fail")
	order := c.orderFromPackage("example.com")
	if a := c.cas2020("DeleteCertificateRequest", "OrderId", order); a.text("Code") != "OperationDenied.StatusNotSupport" {
		t.Errorf("while it is open: %s", a.body)
	}
	c.stateUntil(order, "verify_fail")
	if rows := c.accepted("ListUserCertificateOrder", "Status", "CHECKED_FAIL").rows("CertificateOrderList"); len(rows) != 1 {
		t.Errorf("%v", rows)
	}
	c.accepted("DeleteCertificateRequest", "OrderId", order)
	if a := c.cas2020("DescribeCertificateState", "OrderId", order); a.text("Code") != "NotFound" {
		t.Errorf("%s", a.body)
	}
	if got := s.Packages()[0]; got.Used != 1 || got.Freed != 1 {
		t.Errorf("%+v", got)
	}
}

func TestOrdersAreListed(t *testing.T) { // fault 110
	s, c := packed(t)
	c.orderFromPackage("www.example.com", "b.example.com")
	if _, err := s.OrderPackage("vtrus-dv-w-starter", "*.example.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OrderPackage("no-such-product", "example.com"); err == nil {
		t.Error("an unknown product is sold")
	}
	rows := c.accepted("ListUserCertificateOrder").rows("CertificateOrderList")
	if len(rows) != 2 || rows[0]["DomainType"] != "WILDCARD" || rows[1]["DomainType"] != "MULTIPLE" || rows[1]["CertType"] != "FREE" || rows[1]["Domain"] != "www.example.com,b.example.com" {
		t.Errorf("%v", rows)
	}
	for pairs, want := range map[string]int{"Keyword b.example": 1, "Keyword nothing": 0, "Status ISSUED": 0, "OrderType BUY": 0, "OrderType UPLOAD": 0, "ShowSize 1": 1} {
		if got := c.accepted("ListUserCertificateOrder", strings.Fields(pairs)...).rows("CertificateOrderList"); len(got) != want {
			t.Errorf("%s: %v", pairs, got)
		}
	}
	if a := c.cas2020("ListUserCertificateOrder", "OrderType", "SALE"); a.text("Code") != "InvalidParameter" {
		t.Errorf("%s", a.body)
	}
}

func TestAPackageIsRead(t *testing.T) {
	if p, err := ParsePackage("digicert-free-1-free:20"); err != nil || p.ProductCode != freeProduct || p.Total != 20 {
		t.Errorf("%+v %v", p, err)
	}
	for _, text := range []string{"", "code", "code:", "code:-1", ":3", "code:x"} {
		if p, err := ParsePackage(text); err == nil {
			t.Errorf("%q is %s", text, fmt.Sprint(p))
		}
	}
}

func TestAnOrderThatWasDeletedIsLeftAlone(t *testing.T) {
	s, c := packed(t)
	id := c.orderFromPackage("example.com")
	c.stateUntil(id, "domain_verify")
	seen, _ := s.cas.order(s.PackageOrders()[0].InstanceID)
	c.accepted("CancelOrderRequest", "OrderId", id)
	c.accepted("DeleteCertificateRequest", "OrderId", id)
	if s.cas.update(seen, func(*order) { t.Error("it was changed") }) {
		t.Error("it is said to have been changed")
	}
}
