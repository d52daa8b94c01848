package aliyun

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Package is the answer of DescribePackageState: certificates that were bought
// in stock, before subscriptions took their place.
type Package struct {
	ProductCode         string // such as digicert-free-1-free
	Total, Used, Issued int    // TotalCount, UsedCount (each order taken, for ever), IssuedCount
}

// PackageApplication is what an order of a package says.
type PackageApplication struct {
	ProductCode  string            // "" for the account's free package
	Domains      []string          // Domain: all plain or all wildcards, five at most
	CSR          string            // Csr, PEM; without it CAS makes the key
	ValidateType string            // DNS or FILE
	Contact      Contact           // without Province and City; empty for the account's newest
	Tags         map[string]string // of the order; no list shows them
}

// CertificateState is the answer of DescribeCertificateState: how an order of a
// package stands.
type CertificateState struct {
	Type                                  OrderState
	ValidateType                          string // DNS or FILE
	RecordDomain, RecordType, RecordValue string // DNS, while checking: one record at a time; RecordDomain is whole or relative
	Domain, URI, Content                  string // FILE, while checking: what Domain is to show at URI (Uri)
	CertID                                int64  // CertId, once issued
	Certificate                           string // PEM, once issued
	PrivateKey                            string `json:"-"` // PEM; absent after a CSR of our own
}

// CertificateOrder is a row of ListUserCertificateOrder. Rows of CPACK and BUY
// are orders, rows of CERT and UPLOAD certificates; an order and its certificate
// have the same InstanceID. Times are zero where they are absent.
type CertificateOrder struct {
	InstanceID string
	Status     Status // PAYED, CHECKING, CHECKED_FAIL, ISSUED, WILLEXPIRED, EXPIRED, NOTACTIVATED, REVOKED

	// CPACK and BUY
	OrderID               int64
	Domains               []string  // Domain
	ProductCode           string    // not always spelled as it was ordered
	ProductName, CertType string    // CertType: DV, OV, EV, FREE
	Bought                time.Time // BuyDate
	CertStart, CertEnd    time.Time // CertStartTime, CertEndTime

	// CERT and UPLOAD
	CertificateID      int64
	Name, CommonName   string
	Sans               []string
	Fingerprint        string // SHA-1
	SerialNo, Issuer   string
	StartDate, EndDate string // YYYY-MM-DD
	Expired, Upload    bool
}

// OrderFilter narrows ListUserCertificateOrder down; empty fields do not.
type OrderFilter struct {
	OrderType string // CPACK, BUY, UPLOAD or CERT; "" is CPACK
	Status    Status // without it, CERT and UPLOAD show only what is valid
	Keyword   string // in a name or a domain; fuzzy
}

// DescribePackageState reads what is left of a package; "" is the free one.
func (c *Client) DescribePackageState(ctx context.Context, productCode string) (Package, error) {
	answer, err := c.read(ctx, &c.cas, cas2020("DescribePackageState", map[string]string{
		"ProductCode": productCode,
	}), "TotalCount", "UsedCount")
	return Package{
		ProductCode: answer.text("ProductCode"),
		Total:       int(answer.number("TotalCount")),
		Used:        int(answer.number("UsedCount")),
		Issued:      int(answer.number("IssuedCount")),
	}, err
}

// CreateCertificateForPackageRequest places an order for one or several names,
// with a CSR or without, and so consumes a part of the package. It is not
// idempotent, and orders cannot be found by anything that was sent: after an
// error that MayHaveBeenApplied, compare ListUserCertificateOrder with before.
// Without quota it is Exhausted.
func (c *Client) CreateCertificateForPackageRequest(ctx context.Context, a PackageApplication) (orderID int64, err error) {
	parameters := a.parameters()
	parameters["Csr"] = a.CSR
	return c.create(ctx, "CreateCertificateForPackageRequest", parameters, "OrderId")
}

// CreateCertificateRequest places an order for one name, whose key CAS makes:
// a.CSR is not sent. For the rest it is as CreateCertificateForPackageRequest,
// and wants the contact.
func (c *Client) CreateCertificateRequest(ctx context.Context, a PackageApplication) (orderID int64, err error) {
	return c.create(ctx, "CreateCertificateRequest", a.parameters(), "OrderId")
}

// parameters leaves out the CSR, which only one of the operations takes.
func (a PackageApplication) parameters() map[string]string {
	parameters := map[string]string{
		"ProductCode":  a.ProductCode,
		"Domain":       strings.Join(a.Domains, ","),
		"ValidateType": a.ValidateType,
		"Username":     a.Contact.Username,
		"Phone":        a.Contact.Mobile,
		"Email":        a.Contact.Email,
	}
	for i, key := range slices.Sorted(maps.Keys(a.Tags)) {
		tag := "Tags." + strconv.Itoa(i+1)
		parameters[tag+".Key"], parameters[tag+".Value"] = key, a.Tags[key]
	}
	return parameters
}

// DescribeCertificateState reads how an order stands. Every field but Type may
// be empty, even the record while checking: poll on.
func (c *Client) DescribeCertificateState(ctx context.Context, orderID int64) (CertificateState, error) {
	answer, err := c.read(ctx, &c.cas, cas2020("DescribeCertificateState", orderParameters(orderID)), "Type")
	return CertificateState{
		Type:         OrderState(answer.text("Type")),
		ValidateType: answer.text("ValidateType"),
		RecordDomain: answer.text("RecordDomain"),
		RecordType:   answer.text("RecordType"),
		RecordValue:  answer.text("RecordValue"),
		Domain:       answer.text("Domain"),
		URI:          answer.text("Uri"),
		Content:      answer.text("Content"),
		CertID:       answer.number("CertId"),
		Certificate:  answer.text("Certificate"),
		PrivateKey:   answer.text("PrivateKey"),
	}, err
}

// CancelOrderRequest withdraws an order that is being checked, which is then
// payed again, and still consumes its part of the package.
func (c *Client) CancelOrderRequest(ctx context.Context, orderID int64) error {
	_, err := c.change(ctx, "CancelOrderRequest", orderParameters(orderID))
	return err
}

// DeleteCertificateRequest removes an order that failed or was withdrawn, and
// frees its part of the package.
func (c *Client) DeleteCertificateRequest(ctx context.Context, orderID int64) error {
	_, err := c.change(ctx, "DeleteCertificateRequest", orderParameters(orderID))
	return err
}

func orderParameters(orderID int64) map[string]string {
	return map[string]string{"OrderId": strconv.FormatInt(orderID, 10)}
}

// ListUserCertificateOrder reads every page of the orders of packages, or of
// certificates, as filter.OrderType says. It shows no subscription:
// ListInstances does.
func (c *Client) ListUserCertificateOrder(ctx context.Context, filter OrderFilter) ([]CertificateOrder, error) {
	type identity struct{ order, certificate int64 }
	return readAll(ctx, c, listing[CertificateOrder, identity]{
		action: "ListUserCertificateOrder",
		filter: map[string]string{
			"OrderType": filter.OrderType,
			"Status":    string(filter.Status),
			"Keyword":   filter.Keyword,
		},
		rows:     "CertificateOrderList",
		from:     certificateOrderFrom,
		identity: func(o CertificateOrder) identity { return identity{o.OrderID, o.CertificateID} },
	})
}

func certificateOrderFrom(row object) CertificateOrder {
	return CertificateOrder{
		InstanceID:    row.text("InstanceId"),
		Status:        Status(row.text("Status")),
		OrderID:       row.number("OrderId"),
		Domains:       row.texts("Domain"),
		ProductCode:   row.text("ProductCode"),
		ProductName:   row.text("ProductName"),
		CertType:      row.text("CertType"),
		Bought:        row.time("BuyDate"),
		CertStart:     row.time("CertStartTime"),
		CertEnd:       row.time("CertEndTime"),
		CertificateID: row.number("CertificateId"),
		Name:          row.text("Name"),
		CommonName:    row.text("CommonName"),
		Sans:          row.texts("Sans"),
		Fingerprint:   row.text("Fingerprint"),
		SerialNo:      row.text("SerialNo"),
		Issuer:        row.text("Issuer"),
		StartDate:     row.text("StartDate"),
		EndDate:       row.text("EndDate"),
		Expired:       row.yes("Expired"),
		Upload:        row.yes("Upload"),
	}
}
