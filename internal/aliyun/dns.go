package aliyun

import (
	"cmp"
	"context"
	"errors"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/alidns"
)

// DescribeDomains reads every page of the zones that the account hosts.
func (c *Client) DescribeDomains(ctx context.Context) ([]Domain, error) {
	const size = 100
	identify := func(d Domain) string { return d.Name }
	return pages("DescribeDomains", size, identify, func(page, _ int) (object, []Domain, error) {
		answer, err := c.read(ctx, &c.dns, func() requests.AcsRequest {
			request := alidns.CreateDescribeDomainsRequest()
			request.PageNumber, request.PageSize = requests.NewInteger(page), requests.NewInteger(size)
			return request
		}, "Domains", "TotalCount")
		return answer, each(answer.inner("Domains").rows("Domain"), domainFrom), err
	})
}

// DescribeDomainInfo reads one zone (DomainName), and so its DnsServers where
// its row in DescribeDomains has none.
func (c *Client) DescribeDomainInfo(ctx context.Context, zone string) (Domain, error) {
	answer, err := c.read(ctx, &c.dns, func() requests.AcsRequest {
		request := alidns.CreateDescribeDomainInfoRequest()
		request.DomainName = zone
		return request
	}, "DomainName", "DnsServers")
	domain := domainFrom(answer)
	domain.Name = cmp.Or(domain.Name, zone)
	return domain, err
}

func domainFrom(row object) Domain {
	return Domain{
		Name:       row.text("DomainName"),
		PunyCode:   row.text("PunyCode"),
		DNSServers: row.inner("DnsServers").texts("DnsServer"),
	}
}

const recordsPerPage = 500

// DescribeSubDomainRecords reads every page of the records at fqdn (SubDomain)
// in zone (DomainName); recordType (Type) may be empty.
func (c *Client) DescribeSubDomainRecords(ctx context.Context, zone, fqdn, recordType string) ([]Record, error) {
	return c.records(ctx, zone, "DescribeSubDomainRecords", func(page int) requests.AcsRequest {
		request := alidns.CreateDescribeSubDomainRecordsRequest()
		request.DomainName, request.SubDomain, request.Type = zone, fqdn, recordType
		request.PageNumber, request.PageSize = requests.NewInteger(page), requests.NewInteger(recordsPerPage)
		return request
	})
}

// DescribeDomainRecords reads every page of the records of zone (DomainName)
// whose RR holds rrKeyword (RRKeyWord, fuzzy: compare again) and whose type is
// recordType (TypeKeyWord); both may be empty.
func (c *Client) DescribeDomainRecords(ctx context.Context, zone, rrKeyword, recordType string) ([]Record, error) {
	return c.records(ctx, zone, "DescribeDomainRecords", func(page int) requests.AcsRequest {
		request := alidns.CreateDescribeDomainRecordsRequest()
		request.DomainName, request.RRKeyWord, request.TypeKeyWord = zone, rrKeyword, recordType
		request.PageNumber, request.PageSize = requests.NewInteger(page), requests.NewInteger(recordsPerPage)
		return request
	})
}

func (c *Client) records(ctx context.Context, zone, action string, request func(page int) requests.AcsRequest) ([]Record, error) {
	identify := func(r Record) string { return r.RecordID }
	return pages(action, recordsPerPage, identify, func(page, _ int) (object, []Record, error) {
		answer, err := c.read(ctx, &c.dns, func() requests.AcsRequest { return request(page) }, "DomainRecords", "TotalCount")
		rows := each(answer.inner("DomainRecords").rows("Record"), recordFrom)
		for i := range rows {
			if rows[i].Zone == "" {
				rows[i].Zone = zone
			}
		}
		return answer, rows, err
	})
}

func recordFrom(row object) Record {
	return Record{
		RecordID: row.text("RecordId"),
		Zone:     row.text("DomainName"),
		RR:       row.text("RR"),
		Type:     row.text("Type"),
		Value:    row.text("Value"),
		Line:     row.text("Line"),
		Status:   row.text("Status"),
		TTL:      int(row.number("TTL")),
		Locked:   row.yes("Locked"),
	}
}

// AddDomainRecord adds r by Zone, RR, Type, Value and, where given, TTL and
// Line. The same record there already is Duplicate; so is one of another's.
func (c *Client) AddDomainRecord(ctx context.Context, r Record) (recordID string, err error) {
	answer, err := c.write(ctx, &c.dns, func() requests.AcsRequest {
		request := alidns.CreateAddDomainRecordRequest()
		request.DomainName, request.RR, request.Type, request.Value, request.Line = r.Zone, r.RR, r.Type, r.Value, r.Line
		if r.TTL != 0 {
			request.TTL = requests.NewInteger(r.TTL)
		}
		return request
	}, "RecordId")
	return answer.text("RecordId"), err
}

// DeleteDomainRecord removes the record; one that is already gone
// (DomainRecordNotBelongToUser) is a success.
func (c *Client) DeleteDomainRecord(ctx context.Context, recordID string) error {
	_, err := c.write(ctx, &c.dns, func() requests.AcsRequest {
		request := alidns.CreateDeleteDomainRecordRequest()
		request.RecordId = recordID
		return request
	}, "RecordId", "RequestId")
	var e *Error
	if errors.As(err, &e) && e.Kind == NotFound {
		return nil
	}
	return err
}
