// Package cas2020 is CAS 2020-04-07 for package issue: its instances (Issuer), each
// a subscription that yields one certificate after another, for a key that is made
// here, and its packages (Package); and for package upload (Vault). It decides
// nothing about orders; it puts what the API says into the words of those packages.
package cas2020

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
	"dvagent/internal/clock"
)

// API is the version that an order is bound to.
const API = "2020-04-07"

// Issuer is one account.
type Issuer struct {
	client *aliyun.Client
	listed []aliyun.Instance2020 // what was read already, for the first Slots
	stored func(context.Context) ([]aliyun.ListedCertificate, error)

	mu     sync.Mutex
	people []aliyun.ListedContact // once they were read
}

var (
	_ issue.Catalogue = (*Issuer)(nil)
	_ issue.Lister    = (*Issuer)(nil)
	_ issue.Shelf     = (*Issuer)(nil)
	_ issue.Seller    = (*Issuer)(nil)
)

// New makes an issuer for a pass. listed is what Instances has just returned, or
// nil.
func New(client *aliyun.Client, listed []aliyun.Instance2020) *Issuer {
	return &Issuer{client: client, listed: listed, stored: storedOnce(client)}
}

// Instances lists the account's DV instances (ListInstances). It is not nil
// without an error.
func Instances(ctx context.Context, client *aliyun.Client) ([]aliyun.Instance2020, error) {
	rows, err := client.ListInstances(ctx, aliyun.InstanceFilter{CertificateType: "DV"})
	if err != nil {
		return nil, err
	}
	return append([]aliyun.Instance2020{}, rows...), nil
}

// contacts are the account's, read once.
func (i *Issuer) contacts(ctx context.Context) ([]aliyun.ListedContact, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.people == nil {
		people, err := i.client.ListContact(ctx)
		if err != nil {
			return nil, err
		}
		i.people = append([]aliyun.ListedContact{}, people...)
	}
	return i.people, nil
}

// Terms are those of a subscription.
func (i *Issuer) Terms() issue.Terms { return issue.Terms{API: API, OwnKey: true, Lasting: true} }

// longest is how long a certificate of this shop lives at most.
const longest = 199 * 24 * time.Hour

// Slots are the DV instances: bought ones before those for tests, then the one
// whose subscription ends first and still outlasts a certificate, so that none
// is left over.
func (i *Issuer) Slots(ctx context.Context) ([]issue.Slot, error) {
	i.mu.Lock()
	rows := i.listed
	i.listed = nil
	i.mu.Unlock()
	if rows == nil {
		var err error
		if rows, err = Instances(ctx, i.client); err != nil {
			return nil, err
		}
	}
	var slots []issue.Slot
	for _, row := range rows {
		if row.DV() {
			slots = append(slots, slotOf(row))
		}
	}
	enough := clock.Now().Add(longest)
	slices.SortStableFunc(slots, func(a, b issue.Slot) int {
		return cmp.Or(compareBool(a.Test, b.Test), compareBool(a.Until.Before(enough), b.Until.Before(enough)), a.Until.Compare(b.Until))
	})
	return slots, nil
}

// Signs are what the rows of the instances say of their applications and
// certificates (ListInstances).
func (i *Issuer) Signs(ctx context.Context) (map[string]issue.Sign, error) {
	rows, err := Instances(ctx, i.client)
	signs := map[string]issue.Sign{}
	for _, row := range rows {
		said := strings.Join([]string{string(row.Status), row.PendingResult, certificateID(row), string(row.CertificateStatus)}, " ")
		sign := issue.Sign{Said: said, Busy: row.Status.Pending()}
		if row.CertificateStatus.Valid() {
			sign.Certificate = certificateID(row)
		}
		signs[row.InstanceID] = sign
	}
	return signs, err
}

// compareBool puts false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func slotOf(row aliyun.Instance2020) issue.Slot {
	return issue.Slot{
		ID: row.InstanceID, Use: use(row), Until: row.OrderEnd, Latest: certificateID(row), Ends: row.NotAfter, Hosted: row.AutoReissue, Test: row.Test(),
		Counted: row.FullDomainCount+row.WildcardDomainCount > 0, Names: row.FullDomainCount, Wildcards: row.WildcardDomainCount,
	}
}

// use takes an instance for free only where nobody has begun to fill it in.
func use(row aliyun.Instance2020) issue.Use {
	switch {
	case row.Status.Pending():
		return issue.Busy
	case row.Status.Inactive() && len(row.Domains) == 0:
		return issue.Free
	case row.Status.Inactive(), row.Status.Active():
		return issue.Again
	}
	if row.Status.Over() {
		return issue.Spent
	}
	return issue.Unclear
}

func certificateID(row aliyun.Instance2020) string {
	if row.CertificateID == 0 {
		return ""
	}
	return strconv.FormatInt(row.CertificateID, 10)
}

// Report reads how the application of an instance stands (GetInstanceDetail), and
// the certificate once there is another one than before
// (GetUserCertificateDetail). A certificate for our key, to which the list leads, says
// all.
func (i *Issuer) Report(ctx context.Context, t issue.Ticket) (issue.Report, error) {
	if report, found := i.listedFor(ctx, t); found {
		return report, nil
	}
	detail, err := i.client.GetInstanceDetail(ctx, t.Slot)
	if err != nil {
		return issue.Report{}, err
	}
	report := issue.Report{State: issue.Other, Said: said(detail)}
	report.RequestKeyID, _ = bundle.RequestKeyID([]byte(detail.CSR)) // "" where there is none
	switch {
	case hasNew(detail, t):
		return i.fetch(ctx, t, detail, report)
	case detail.Status.Over():
		report.State, report.Said = issue.Over, "its subscription is over: "+report.Said
	case detail.Status.Pending() && !ours(detail, t):
		report.State, report.Said = issue.Foreign, "pending with the certificate request of somebody else"
	case detail.Status.Pending():
		report.State, report.Challenges = issue.Proving, challenges(detail.Validations)
	case isVoid(detail, t):
		report.State, report.Certificate = issue.Revoked, certificateID(detail.Instance2020)
	case detail.CSR != "" && ours(detail, t) && len(detail.Validations) > 0: // whatever it is called
		report.State, report.Challenges = issue.Proving, challenges(detail.Validations)
	case detail.Status.Inactive(), detail.Status.Active():
		return i.idle(ctx, t, report, detail)
	}
	return report, nil
}

// listedFor is the report of an order whose new certificate the list has shown, if it
// is for our key.
func (i *Issuer) listedFor(ctx context.Context, t issue.Ticket) (issue.Report, bool) {
	id, err := strconv.ParseInt(t.Listed, 10, 64)
	if err != nil || t.Listed == t.Before || t.KeyID == "" {
		return issue.Report{}, false
	}
	found, err := i.client.GetUserCertificateDetail(ctx, id)
	if err != nil {
		return issue.Report{}, false // the instance tells why
	}
	leaf, err := bundle.LeafOf([]byte(found.Cert))
	ours := err == nil && bundle.LeafKeyID(leaf) == t.KeyID
	return issue.Report{State: issue.Issued, Said: "issued", Chain: []byte(found.Cert), Key: []byte(found.Key)}, ours
}

// said is what the server calls the state of an instance, in one or two of its words.
func said(d aliyun.InstanceDetail) string {
	status, result := strings.ToLower(string(d.Status)), strings.ToLower(d.PendingResult)
	if result == status { // as while the CA has said nothing yet
		return status
	}
	return strings.TrimSpace(status + " " + result)
}

// ours says that the instance holds our certificate request, or none that is
// known to be another's.
func ours(d aliyun.InstanceDetail, t issue.Ticket) bool {
	if d.CSR == "" || t.KeyID == "" {
		return true
	}
	id, err := bundle.RequestKeyID([]byte(d.CSR))
	return err != nil || id == t.KeyID
}

// hasNew says that the instance has another certificate than when it was
// claimed. `normal` alone does not say that one was issued.
func hasNew(d aliyun.InstanceDetail, t issue.Ticket) bool {
	id := certificateID(d.Instance2020)
	return id != "" && id != t.Before && d.CertificateStatus.Valid()
}

// isVoid says that the certificate which our application brought was revoked before it was
// collected: it will not come any more, and the instance is as good as before.
func isVoid(d aliyun.InstanceDetail, t issue.Ticket) bool {
	id := certificateID(d.Instance2020)
	return id != "" && id != t.Before && d.CertificateStatus.Revoked() && d.CSR != "" && ours(d, t)
}

// fetch reads the new certificate. Its public key says whose it is: the request
// that the instance holds may be a later one.
func (i *Issuer) fetch(ctx context.Context, t issue.Ticket, d aliyun.InstanceDetail, report issue.Report) (issue.Report, error) {
	found, err := i.client.GetUserCertificateDetail(ctx, d.CertificateID)
	if aliyun.Is(err, aliyun.NotFound) { // not yet: the instance is ahead of the store
		report.State = issue.Issued
		return report, nil
	}
	if err != nil {
		return issue.Report{}, err
	}
	report.State, report.Chain, report.Key = issue.Issued, []byte(found.Cert), []byte(found.Key)
	if leaf, err := bundle.LeafOf(report.Chain); err == nil && t.KeyID != "" && bundle.LeafKeyID(leaf) != t.KeyID && !ours(d, t) {
		return issue.Report{State: issue.Foreign, Said: "in use for the certificate request of somebody else"}, nil
	}
	return report, nil
}

// idle tells an application that is on its way from one that was refused, and
// from none. The task is asked, where the instance does not say.
func (i *Issuer) idle(ctx context.Context, t issue.Ticket, report issue.Report, d aliyun.InstanceDetail) (issue.Report, error) {
	report.State = issue.Unused
	switch strings.ToLower(d.PendingResult) {
	case "", "none", "pending", "issued":
	default:
		report.State = issue.CARefused
		return report, nil
	}
	task, err := i.client.GetTaskAttribute(ctx, t.Slot)
	if err != nil {
		return report, nil // it is a help, and may not be permitted
	}
	switch {
	case task.Status.Failed():
		report.State, report.Said = issue.CARefused, strings.TrimSpace(report.Said+": "+task.Message)
	case task.Status.Running():
		report.State = issue.Proving
	}
	return report, nil
}

// challenges are what the CA wants to see. A name is relative to the registered
// domain, unless it ends in it.
func challenges(validations []aliyun.Validation) []order.Challenge {
	var all []order.Challenge
	for _, v := range validations {
		if v.Key == "" || v.Value == "" {
			continue
		}
		c := order.Challenge{Kind: strings.ToUpper(v.Type), Domain: v.Domain, Name: whole(v.Key, v.RootDomain), Value: v.Value}
		if c.Kind == "HTTP" || c.Kind == order.File { // the key is a path, or a URL
			c.Kind, c.Name = order.File, v.Key
		}
		same := func(other order.Challenge) bool {
			return other.Kind == c.Kind && other.Name == c.Name && other.Value == c.Value &&
				(c.Kind != order.File || other.Domain == c.Domain) // each domain shows its own
		}
		if !slices.ContainsFunc(all, same) {
			all = append(all, c)
		}
	}
	return all
}

func whole(key, root string) string {
	key, root = strings.TrimSuffix(strings.ToLower(key), "."), strings.TrimSuffix(strings.ToLower(root), ".")
	switch {
	case root == "" || key == root || strings.HasSuffix(key, "."+root):
		return key
	case key == "@":
		return root
	}
	return key + "." + root
}
