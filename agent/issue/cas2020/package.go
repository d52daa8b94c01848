package cas2020

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Package is an issue.Package on certificates that were bought in stock, before
// subscriptions took their place (V1).
type Package struct {
	client  *aliyun.Client
	product string
}

var (
	_ issue.Package = (*Package)(nil)
	_ issue.Seller  = (*Package)(nil)
)

// NewPackage makes an issuer for a pass. product is a ProductCode, such as
// digicert-free-1-free.
func NewPackage(client *aliyun.Client, product string) *Package { return &Package{client, product} }

// Terms are those of a package.
func (p *Package) Terms() issue.Terms { return issue.Terms{API: API, OwnKey: true} }

// Stock reads what of the package is used (DescribePackageState), and the orders
// for the names (ListUserCertificateOrder, whose rows spell the product
// otherwise at times).
func (p *Package) Stock(ctx context.Context, names []string) (issue.Stock, error) {
	state, err := p.client.DescribePackageState(ctx, p.product)
	if err != nil {
		return issue.Stock{}, err
	}
	rows, err := p.client.ListUserCertificateOrder(ctx, aliyun.OrderFilter{OrderType: "CPACK", Keyword: strings.TrimPrefix(names[0], "*.")})
	stock := issue.Stock{Total: state.Total, Used: state.Used}
	for _, row := range rows {
		if sameNames(row.Domains, names) {
			stock.Orders = append(stock.Orders, issue.StockOrder{ID: strconv.FormatInt(row.OrderID, 10),
				Running: isStatus(row, "PAYED", "CHECKING"), Issued: isStatus(row, "ISSUED", "WILLEXPIRED")})
		}
	}
	return stock, err
}

func isStatus(row aliyun.CertificateOrder, any ...string) bool {
	return slices.Contains(any, strings.ToUpper(string(row.Status)))
}

// sameNames compares without the parent of a wildcard, which some CAs add.
func sameNames(listed, ours []string) bool {
	names := map[string]bool{}
	for _, name := range listed {
		name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
		if slices.Contains(ours, name) || !slices.Contains(ours, "*."+name) {
			names[name] = true
		}
	}
	return len(names) == len(ours) && !slices.ContainsFunc(ours, func(name string) bool { return !names[name] })
}

// Submit places an order (CreateCertificateForPackageRequest). The order is
// tagged with our key, for people who look at it: no list shows tags.
func (p *Package) Submit(ctx context.Context, t issue.Ticket, a issue.Application) (issue.Receipt, error) {
	application := aliyun.PackageApplication{
		ProductCode: p.product, Domains: a.Names, CSR: string(a.Request), ValidateType: validateType(a),
		Contact: aliyun.Contact{Username: a.Contact.Username, Mobile: a.Contact.Mobile, Email: a.Contact.Email},
	}
	if t.KeyID != "" {
		application.Tags = map[string]string{"dvagent": t.KeyID}
	}
	if err := a.Stands(ctx); err != nil {
		return issue.Receipt{}, err
	}
	id, err := p.client.CreateCertificateForPackageRequest(ctx, application)
	var fault *aliyun.Error
	if errors.As(err, &fault) && fault.Kind == aliyun.Exhausted {
		return issue.Receipt{}, exhausted{fault}
	}
	if err != nil {
		return issue.Receipt{}, err
	}
	return issue.Receipt{Order: strconv.FormatInt(id, 10)}, nil
}

// validateType is the word that packages have for the way of the proof.
func validateType(a issue.Application) string {
	if a.File {
		return "FILE"
	}
	return "DNS"
}

// exhausted says that nothing of the package is left.
type exhausted struct{ fault *aliyun.Error }

func (e exhausted) Error() string            { return e.fault.Error() }
func (e exhausted) Unwrap() error            { return e.fault }
func (e exhausted) MayHaveBeenApplied() bool { return false }
func (e exhausted) Transient() bool          { return false }
func (e exhausted) Rejected() bool           { return false }
func (e exhausted) Refused() (string, bool)  { return e.fault.Code, true }

// Exhausted is for issue's judgement of an error.
func (e exhausted) Exhausted() bool { return true }

// Report reads how an order stands (DescribeCertificateState).
func (p *Package) Report(ctx context.Context, t issue.Ticket) (issue.Report, error) {
	id, err := strconv.ParseInt(t.Order, 10, 64)
	if err != nil {
		return issue.Report{}, hint.Add(fmt.Errorf("%q is not the number of an order", t.Order), "dvagent orders lists them")
	}
	state, err := p.client.DescribeCertificateState(ctx, id)
	if err != nil {
		return issue.Report{}, err
	}
	report := issue.Report{State: stateOf(state.Type), Said: strings.ToLower(string(state.Type)),
		Chain: []byte(state.Certificate), Key: []byte(state.PrivateKey)}
	if report.State == issue.Proving {
		report.Challenges = proofOf(state)
	}
	return report, nil
}

// proofOf is what an order from a package wants to see, which it tells one by one;
// the value may come later than the place.
func proofOf(s aliyun.CertificateState) []order.Challenge {
	domain := strings.ToLower(s.Domain)
	switch {
	case s.URI != "":
		return []order.Challenge{{Kind: order.File, Domain: domain, Name: s.URI, Value: s.Content}}
	case s.RecordDomain != "":
		return []order.Challenge{{Kind: kind(s), Domain: domain, Name: s.RecordDomain, Value: s.RecordValue}}
	}
	return nil
}

// kind is the record that is asked for; without a word on it, TXT.
func kind(s aliyun.CertificateState) string {
	if s.RecordType != "" {
		return strings.ToUpper(s.RecordType)
	}
	if s.ValidateType == "" || strings.EqualFold(s.ValidateType, "DNS") {
		return order.TXT
	}
	return s.ValidateType
}

// stateOf takes what is paid for as being on its way: it is that for seconds, or
// was withdrawn by somebody.
func stateOf(s aliyun.OrderState) issue.State {
	switch {
	case s.Paid(), s.Checking():
		return issue.Proving
	case s.Issued():
		return issue.Issued
	case s.Failed():
		return issue.CARefused
	}
	return issue.Other
}
