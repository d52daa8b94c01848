package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
	"dvagent/internal/words"
)

// cas2018 is an account at CAS 2018-07-13.
type cas2018 struct{ client *aliyun.Client }

func (c cas2018) orders(ctx context.Context) (table [][]string, rows any, err error) {
	instances, err := c.client.DescribeOrderInstanceList(ctx)
	if err != nil {
		return nil, nil, err
	}
	table = [][]string{{"INSTANCE", "TYPE", "STATUS", "SOURCE", "ID"}}
	all := []instanceRow{}
	for _, i := range instances {
		table = append(table, []string{i.InstanceID, i.CertType, string(i.Status), i.Source, strconv.FormatInt(i.ID, 10)})
		all = append(all, instanceRow{i.InstanceID, i.CertType, string(i.Status), i.Source, i.ID})
	}
	return table, all, nil
}

func (c cas2018) titles() []string {
	return []string{"ID", "NAME", "NAMES", "ENDS", "EXPIRED", "SOLD BY ALIBABA"}
}

func (c cas2018) certificates(ctx context.Context) ([]listed, error) {
	certificates, err := c.client.DescribeUserCertificateList(ctx)
	var all []listed
	for _, x := range certificates {
		row := certificateRow{ID: x.ID, Name: x.Name, Domains: names(x.Sans), Ends: x.EndDate, Expired: x.Expired, Sold: &x.BuyInAliyun}
		all = append(all, listed{id: x.ID, name: x.Name, ends: x.EndDate, prunable: prunable(x, time.Now()), row: row, cells: []string{
			strconv.FormatInt(x.ID, 10), x.Name, x.Sans, x.EndDate, words.YesNo(x.Expired), words.YesNo(x.BuyInAliyun)}})
	}
	return all, err
}

// prunable reports whether the certificate has expired, both by its flag and by
// its date (YYYY-MM-DD, with a day to spare), and was not sold by Alibaba.
func prunable(x aliyun.Certificate, now time.Time) bool {
	end, err := time.Parse(time.DateOnly, strings.TrimSpace(x.EndDate))
	return err == nil && x.Expired && !x.BuyInAliyun && longOver(end, now)
}

func (c cas2018) certificate(ctx context.Context, id int64) (detail, error) {
	x, err := c.client.DescribeUserCertificateDetail(ctx, id)
	hasKey := x.Key != ""
	row := certificateDetail{Issuer: x.Issuer, Starts: x.StartDate, Fingerprint: x.Fingerprint, Organisation: x.OrgName, Certificate: x.Cert,
		certificateRow: certificateRow{ID: id, Name: x.Name, Domains: names(x.Sans), Ends: x.EndDate, Expired: x.Expired, KeyInCAS: &hasKey, Sold: &x.BuyInAliyun}}
	return detail{row: row, cert: x.Cert, key: x.Key, fields: [][]string{
		{"id", strconv.FormatInt(id, 10)}, {"name", x.Name}, {"names", x.Sans},
		{"issuer", x.Issuer}, {"starts", x.StartDate}, {"ends", x.EndDate},
		{"fingerprint (SHA-1)", x.Fingerprint}, {"organisation", x.OrgName},
		{"expired", words.YesNo(x.Expired)}, {"sold by Alibaba", words.YesNo(x.BuyInAliyun)},
	}}, err
}

func (c cas2018) remove(ctx context.Context, id int64) error {
	return c.client.DeleteUserCertificate(ctx, id)
}

func (c cas2018) contacts(context.Context) ([]aliyun.ListedContact, error) {
	return nil, usageError{hint.Add(errors.New("CAS 2018-07-13, which this account speaks, has no contacts"),
		"each order takes what [contact.NAME] says")}
}
