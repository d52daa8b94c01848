// Package cas2018 is an issue.Issuer on CAS 2018-07-13: each order consumes one
// instance that was bought, and CAS makes the key. It decides nothing about
// orders; it puts what the API says into the words of package issue.
package cas2018

import (
	"cmp"
	"context"
	"crypto/x509"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// Issuer is one account. It reads the list of stored certificates once.
type Issuer struct {
	client *aliyun.Client
	stored func(context.Context) ([]aliyun.Certificate, error)
}

var (
	_ issue.Catalogue = (*Issuer)(nil)
	_ issue.Lister    = (*Issuer)(nil)
	_ issue.Shelf     = (*Issuer)(nil)
	_ issue.Seller    = (*Issuer)(nil)
)

// New makes an issuer for a pass.
func New(client *aliyun.Client) *Issuer {
	var once sync.Once
	var rows []aliyun.Certificate
	var err error
	return &Issuer{client, func(ctx context.Context) ([]aliyun.Certificate, error) {
		once.Do(func() { rows, err = client.DescribeUserCertificateList(ctx) })
		return rows, err
	}}
}

// Terms are those of an instance that is consumed.
func (i *Issuer) Terms() issue.Terms { return issue.Terms{API: order.API2018} }

// Slots are the DV instances (DescribeOrderInstanceList), the oldest first.
func (i *Issuer) Slots(ctx context.Context) ([]issue.Slot, error) {
	instances, err := i.client.DescribeOrderInstanceList(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(instances, func(a, b aliyun.Instance) int { return cmp.Compare(a.ID, b.ID) })
	var slots []issue.Slot
	for _, instance := range instances {
		if instance.DV() {
			slots = append(slots, issue.Slot{ID: instance.InstanceID, Use: use(instance)})
		}
	}
	return slots, nil
}

// Signs are the statuses of the instances (DescribeOrderInstanceList).
func (i *Issuer) Signs(ctx context.Context) (map[string]issue.Sign, error) {
	instances, err := i.client.DescribeOrderInstanceList(ctx)
	signs := map[string]issue.Sign{}
	for _, instance := range instances {
		signs[instance.InstanceID] = issue.Sign{Said: string(instance.Status), Busy: instance.Status.Checking()}
	}
	return signs, err
}

// use takes no instance whose id is hidden in part, as in the documents' samples: nothing
// could be told to the server of it.
func use(i aliyun.Instance) issue.Use {
	switch s := i.Status; {
	case strings.Contains(i.InstanceID, "*"):
		return issue.Unclear
	case s.Spare():
		return issue.Free
	case s.Checking():
		return issue.Busy
	case s.Failed():
		return issue.Refused
	}
	return issue.Spent
}

// Submit places an order on an instance (CreateDVOrderAudit).
func (i *Issuer) Submit(ctx context.Context, t issue.Ticket, a issue.Application) (issue.Receipt, error) {
	if err := a.Stands(ctx); err != nil {
		return issue.Receipt{}, err
	}
	c := a.Contact
	request, err := i.client.CreateDVOrderAudit(ctx, aliyun.Application{
		InstanceID: t.Slot, Domains: a.Names, VerifyType: verifyType(a),
		Contact: aliyun.Contact{Username: c.Username, Mobile: c.Mobile, Email: c.Email, Province: c.Province, City: c.City},
	})
	return issue.Receipt{Request: request}, err
}

func verifyType(a issue.Application) string {
	if a.File {
		return "FILE"
	}
	return "DNS"
}

// Report reads the order of an instance (DescribeDVOrderResult).
func (i *Issuer) Report(ctx context.Context, t issue.Ticket) (issue.Report, error) {
	result, err := i.client.DescribeDVOrderResult(ctx, t.Slot)
	if err != nil {
		return issue.Report{}, err
	}
	report := issue.Report{State: stateOf(result.Status), Said: strings.ToLower(string(result.Status)),
		Chain: []byte(result.Certificate), Key: []byte(result.PrivateKey)}
	if result.CheckName != "" { // its value may come later
		report.Challenges = []order.Challenge{{Kind: kind(result.CheckType), Name: result.CheckName, Value: result.CheckValue}}
	}
	return report, nil
}

func stateOf(s aliyun.Status) issue.State {
	switch {
	case s.Issued():
		return issue.Issued
	case s.Checking():
		return issue.Proving
	case s.Failed():
		return issue.CARefused
	case s.Spare():
		return issue.Unused
	}
	return issue.Other
}

// kind is what the API's CheckType asks for: DNS is a TXT record, and so is
// what it leaves out.
func kind(checkType string) string {
	if checkType == "" || strings.EqualFold(checkType, "DNS") {
		return order.TXT
	}
	return strings.ToUpper(checkType)
}

// Stored yields the account's certificates whose row names every domain and a
// day after that time, so that their detail is worth a call
// (DescribeUserCertificateDetail).
func (i *Issuer) Stored(ctx context.Context, names []string, after time.Time) iter.Seq2[issue.Stored, error] {
	earlier := func(row aliyun.Certificate) bool {
		return row.EndDate != "" && row.EndDate <= after.Format(time.DateOnly)
	}
	return func(yield func(issue.Stored, error) bool) {
		rows, err := i.stored(ctx)
		if err != nil {
			yield(issue.Stored{}, err)
			return
		}
		latest := func(a, b aliyun.Certificate) int { return cmp.Compare(b.EndDate, a.EndDate) }
		for _, row := range slices.SortedStableFunc(slices.Values(rows), latest) {
			if row.Expired || earlier(row) || !lists(row, names) {
				continue
			}
			b, err := fetch(ctx, i.client, row.ID)
			if err == nil && b == nil {
				continue
			}
			if !yield(issue.Stored{ID: strconv.FormatInt(row.ID, 10), Sold: row.BuyInAliyun, Bundle: b}, err) {
				return
			}
		}
	}
}

// fetch returns nil for an entry that has no key, cannot be read or is gone
// meanwhile.
func fetch(ctx context.Context, client *aliyun.Client, id int64) (*bundle.Bundle, error) {
	detail, err := client.DescribeUserCertificateDetail(ctx, id)
	if aliyun.Is(err, aliyun.Malformed, aliyun.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, _ := bundle.Parse([]byte(detail.Cert), []byte(detail.Key))
	return b, nil
}

// lists says that the row names every domain.
func lists(row aliyun.Certificate, domains []string) bool {
	names := strings.FieldsFunc(strings.ToLower(row.Sans+","+row.Common), func(r rune) bool {
		return r == ',' || r == ';' || r == ' '
	})
	return !slices.ContainsFunc(domains, func(domain string) bool { return !bundle.CoversName(names, domain) })
}

// Sold is for issue.Seller (DescribeUserCertificateList, which is read once; where
// a row does not tell its fingerprint, DescribeUserCertificateDetail).
func (i *Issuer) Sold(ctx context.Context, leaf *x509.Certificate) (bool, error) {
	rows, err := i.stored(ctx)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		switch {
		case !row.BuyInAliyun:
		case strings.EqualFold(row.Fingerprint, bundle.SHA1(leaf)):
			return true, nil
		case row.Fingerprint == "" && row.EndDate == leaf.NotAfter.UTC().Format(time.DateOnly):
			b, err := fetch(ctx, i.client, row.ID)
			if err != nil || b != nil && b.Leaf.Equal(leaf) {
				return err == nil, err
			}
		}
	}
	return false, nil
}
