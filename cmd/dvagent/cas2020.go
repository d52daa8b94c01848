package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/words"
)

// cas2020 is an account at CAS 2020-04-07.
type cas2020 struct {
	client  *aliyun.Client
	account string
	host    *state.Host
}

// subscriptionRow is one element of `orders --json`.
type subscriptionRow struct {
	instanceRow
	Ends          time.Time `json:"subscription_ends,omitzero"`
	MaxNames      int       `json:"max_names"`
	MaxWildcards  int       `json:"max_wildcards"`
	Domains       []string  `json:"domains,omitempty"`
	ClaimedBy     string    `json:"claimed_by,omitempty"`
	CertificateID int64     `json:"certificate_id,omitempty"`
}

func (c cas2020) orders(ctx context.Context) (table [][]string, rows any, err error) {
	instances, err := c.client.ListInstances(ctx, aliyun.InstanceFilter{})
	if err != nil {
		return nil, nil, err
	}
	ledger, err := order.LoadInstances(c.host.Dir.Instances())
	if err != nil {
		return nil, nil, err
	}
	packaged, err := c.packageOrders(ctx)
	if err != nil {
		return nil, nil, err
	}
	table = [][]string{{"INSTANCE", "TYPE", "STATUS", "SUBSCRIPTION ENDS", "FOR", "NAMES", "CLAIMED BY", "CERTIFICATE ID"}}
	all := []subscriptionRow{}
	for _, i := range instances {
		row := subscriptionOf(i, ledger.Holder(order.Instance{Account: c.account, ID: i.InstanceID}))
		table, all = append(table, row.cells(time.Now())), append(all, row)
	}
	for _, row := range packaged {
		table, all = append(table, row.packageCells()), append(all, row)
	}
	return table, all, nil
}

// packageOrders are those that were placed on packages. Who orders from none
// needs no permission to list them.
func (c cas2020) packageOrders(ctx context.Context) ([]subscriptionRow, error) {
	placed, err := c.client.ListUserCertificateOrder(ctx, aliyun.OrderFilter{OrderType: "CPACK"})
	if aliyun.Is(err, aliyun.Forbidden) && !c.usesPackages() {
		return nil, nil
	}
	var rows []subscriptionRow
	for _, o := range placed {
		rows = append(rows, subscriptionRow{
			instanceRow: instanceRow{Instance: o.InstanceID, Type: o.CertType, Status: string(o.Status), Source: "package " + o.ProductCode, ID: o.OrderID},
			Domains:     o.Domains, ClaimedBy: c.holderOf(o.OrderID),
		})
	}
	return rows, err
}

func (c cas2020) usesPackages() bool {
	return slices.ContainsFunc(c.host.Config.Certificates, func(certificate config.Certificate) bool {
		return certificate.Account == c.account && certificate.Package != ""
	})
}

// holderOf is the certificate here whose open or last order has that number.
func (c cas2020) holderOf(orderID int64) string {
	for _, certificate := range c.host.Config.Certificates {
		for _, load := range []func(string) (*order.Order, error){order.Load, order.Last} {
			o, err := load(c.host.Dir.Certificate(certificate.Name))
			if err == nil && o != nil && o.ServerOrder == strconv.FormatInt(orderID, 10) {
				return certificate.Name
			}
		}
	}
	return ""
}

func subscriptionOf(i aliyun.Instance2020, holder string) subscriptionRow {
	return subscriptionRow{
		instanceRow: instanceRow{Instance: i.InstanceID, Type: i.CertificateType, Status: string(i.Status), Source: i.InstanceType},
		Ends:        i.OrderEnd, MaxNames: i.FullDomainCount, MaxWildcards: i.WildcardDomainCount,
		Domains: i.Domains, ClaimedBy: holder, CertificateID: i.CertificateID,
	}
}

func (r subscriptionRow) cells(now time.Time) []string {
	id := "-"
	if r.CertificateID != 0 {
		id = strconv.FormatInt(r.CertificateID, 10)
	}
	return []string{
		r.Instance, r.Source + " " + r.Type, r.Status, day(r.Ends, now),
		words.Count(r.MaxNames, "name") + ", " + words.Count(r.MaxWildcards, "wildcard"),
		orDash(strings.Join(r.Domains, ", ")), orDash(r.ClaimedBy), id,
	}
}

func (r subscriptionRow) packageCells() []string {
	return []string{"order " + strconv.FormatInt(r.ID, 10), r.Source, r.Status, "-", "-",
		orDash(strings.Join(r.Domains, ", ")), orDash(r.ClaimedBy), "-"}
}

func (c cas2020) titles() []string {
	return []string{"ID", "NAME", "NAMES", "ENDS", "KEY IN CAS", "SOURCE"}
}

func (c cas2020) certificates(ctx context.Context) ([]listed, error) {
	certificates, err := c.client.ListCertificates(ctx, aliyun.CertificateFilter{})
	now := time.Now()
	var all []listed
	for _, x := range certificates {
		row := certificateRow{ID: x.CertificateID, Name: x.CertificateName, Domains: x.Domains, Ends: stamp(x.NotAfter),
			Expired: strings.EqualFold(string(x.Status), "expired"), KeyInCAS: &x.HasPrivateKey, Source: x.Source}
		all = append(all, listed{
			row: row, id: x.CertificateID, name: x.CertificateName, ends: minute(x.NotAfter), prunable: prunable2020(x, now),
			cells: []string{strconv.FormatInt(x.CertificateID, 10), x.CertificateName, strings.Join(x.Domains, ", "),
				day(x.NotAfter, now), words.YesNo(x.HasPrivateKey), x.Source},
		})
	}
	return all, err
}

// prunable2020 reports whether the certificate was uploaded and has expired, both
// by its status and, with a day to spare, by its date.
func prunable2020(x aliyun.ListedCertificate, now time.Time) bool {
	return strings.EqualFold(x.Source, uploaded) && strings.EqualFold(string(x.Status), "expired") && longOver(x.NotAfter, now)
}

// uploaded is the Source of what Alibaba did not sell.
const uploaded = "UPLOAD"

func (c cas2020) certificate(ctx context.Context, id int64) (detail, error) {
	x, err := c.client.GetUserCertificateDetail(ctx, id)
	hasKey := x.Key != ""
	row := certificateDetail{Issuer: x.Issuer, Starts: stamp(x.NotBefore), SerialNumber: x.SerialNo, Fingerprint: x.Fingerprint, Organisation: x.OrgName,
		Certificate: x.Cert, certificateRow: certificateRow{ID: id, Name: x.Name, Domains: x.Sans, Ends: stamp(x.NotAfter), Expired: x.Expired,
			KeyInCAS: &hasKey, Sold: &x.BuyInAliyun}}
	return detail{row: row, cert: x.Cert, key: x.Key, fields: [][]string{
		{"id", strconv.FormatInt(id, 10)}, {"name", x.Name}, {"names", strings.Join(x.Sans, ", ")},
		{"issuer", x.Issuer}, {"starts", minute(x.NotBefore)}, {"ends", minute(x.NotAfter)},
		{"serial number", x.SerialNo}, {"fingerprint (SHA-1)", x.Fingerprint}, {"organisation", x.OrgName},
		{"expired", words.YesNo(x.Expired)}, {"sold by Alibaba", words.YesNo(x.BuyInAliyun)},
		{"key in CAS", words.YesNo(x.Key != "")},
	}}, err
}

func (c cas2020) remove(ctx context.Context, id int64) error {
	return c.client.DeleteUserCertificate2020(ctx, id)
}

func (c cas2020) contacts(ctx context.Context) ([]aliyun.ListedContact, error) {
	return c.client.ListContact(ctx)
}
