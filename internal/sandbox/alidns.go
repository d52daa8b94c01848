package sandbox

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// alidns answers the operations of AliDNS 2015-01-09. Its arrays are wrapped:
// DomainRecords.Record, Domains.Domain, DnsServers.DnsServer.
type alidns struct {
	zones *zones
}

func (a alidns) operations() operations {
	return operations{
		"AddDomainRecord":          a.addDomainRecord,
		"UpdateDomainRecord":       a.updateDomainRecord,
		"DeleteDomainRecord":       a.deleteDomainRecord,
		"DeleteSubDomainRecords":   a.deleteSubDomainRecords,
		"DescribeDomainRecordInfo": a.describeDomainRecordInfo,
		"DescribeDomainRecords":    a.describeDomainRecords,
		"DescribeSubDomainRecords": a.describeSubDomainRecords,
		"SetDomainRecordStatus":    a.setDomainRecordStatus,
		"DescribeDomains":          a.describeDomains,
		"DescribeDomainInfo":       a.describeDomainInfo,
		"GetMainDomainName":        a.getMainDomainName,
	}
}

// zone finds the zone that parameter DomainName names.
func (a alidns) zone(p params) (*zone, error) {
	if err := p.require("DomainName"); err != nil {
		return nil, err
	}
	if z := a.zones.named(p["DomainName"]); z != nil {
		return z, nil
	}
	return nil, errNoSuchZone
}

func (a alidns) addDomainRecord(c *call) (object, error) {
	z, err := a.zone(c.params)
	if err != nil {
		return nil, err
	}
	r, err := newRecord(z, c.params)
	if err != nil {
		return nil, err
	}
	return object{"RecordId": r.RecordID}, a.zones.add(z, r)
}

// record finds the zone that holds the record which RecordId names.
func (a alidns) record(p params) (id string, z *zone, err error) {
	if err := p.require("RecordId"); err != nil {
		return "", nil, err
	}
	id = p["RecordId"]
	if z = a.zones.holding(id); z == nil {
		return "", nil, errNotYourRecord
	}
	return id, z, nil
}

func (a alidns) updateDomainRecord(c *call) (object, error) {
	id, z, err := a.record(c.params)
	if err != nil {
		return nil, err
	}
	r, err := newRecord(z, c.params)
	if err != nil {
		return nil, err
	}
	return object{"RecordId": id}, a.zones.update(z, id, func(old Record) Record {
		r.RecordID, r.Status = id, old.Status
		return r
	})
}

func (a alidns) deleteDomainRecord(c *call) (object, error) {
	id, z, err := a.record(c.params)
	if err != nil {
		return nil, err
	}
	return object{"RecordId": id}, a.zones.remove(z, id)
}

// deleteSubDomainRecords counts in a string, as the API does.
func (a alidns) deleteSubDomainRecords(c *call) (object, error) {
	z, err := a.zone(c.params)
	if err != nil {
		return nil, err
	}
	if err := c.params.require("RR"); err != nil {
		return nil, err
	}
	removed, err := a.zones.removeAt(z, z.owner(c.params["RR"]), c.params["Type"])
	return object{"RR": c.params["RR"], "TotalCount": strconv.Itoa(removed)}, err
}

func (a alidns) describeDomainRecordInfo(c *call) (object, error) {
	id, z, err := a.record(c.params)
	if err != nil {
		return nil, err
	}
	records := a.zones.records(z)
	i := slices.IndexFunc(records, func(r Record) bool { return r.RecordID == id })
	if i < 0 { // removed meanwhile
		return nil, errNotYourRecord
	}
	info := records[i].object()
	info["DomainId"], info["PunyCode"] = z.id, z.punycode
	return info, nil
}

// setDomainRecordStatus takes a record out of the answers of the name servers, or puts it back.
func (a alidns) setDomainRecordStatus(c *call) (object, error) {
	if err := c.params.require("RecordId", "Status"); err != nil {
		return nil, err
	}
	status := strings.ToUpper(c.params["Status"])
	if status != enabled && status != disabled {
		return nil, invalidParameter("Status")
	}
	id, z, err := a.record(c.params)
	if err != nil {
		return nil, err
	}
	return object{"RecordId": id, "Status": c.params["Status"]}, a.zones.update(z, id, func(r Record) Record {
		r.Status = status
		return r
	})
}

// describeDomainRecords searches as the API does: RR and value by any part of
// them, the type exactly.
func (a alidns) describeDomainRecords(c *call) (object, error) {
	z, err := a.zone(c.params)
	if err != nil {
		return nil, err
	}
	rr, value := c.params["RRKeyWord"], c.params["ValueKeyWord"]
	recordType := c.params.either("TypeKeyWord", "Type")
	return recordPage(c, slices.DeleteFunc(a.zones.records(z), func(r Record) bool {
		return !containsFold(r.RR, rr) || !containsFold(r.Value, value) || !isType(r, recordType)
	}))
}

func (a alidns) describeSubDomainRecords(c *call) (object, error) {
	if err := c.params.require("SubDomain"); err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(c.params["SubDomain"], "@.")
	z := enclosing(a.zones.hosted(), name)
	if domain := c.params["DomainName"]; domain != "" {
		z = a.zones.named(domain)
	}
	if z == nil {
		return nil, errNoSuchZone
	}
	owner := dns.Fqdn(toASCII(strings.TrimSuffix(name, ".")))
	return recordPage(c, slices.DeleteFunc(a.zones.records(z), func(r Record) bool {
		return r.owner != owner || !isType(r, c.params["Type"])
	}))
}

// recordPage cuts a page of records, the newest first.
func recordPage(c *call, records []Record) (object, error) {
	slices.Reverse(records)
	rows := make([]object, 0, len(records))
	for _, r := range records {
		rows = append(rows, r.object())
	}
	return numberedPage(c, rows, 500, "DomainRecords", "Record")
}

func (r Record) object() object {
	o := object{
		"DomainName": r.Zone, "RecordId": r.RecordID, "RR": r.RR, "Type": r.Type, "Value": r.Value,
		"Line": r.Line, "TTL": r.TTL, "Status": r.Status, "Locked": r.Locked, "Weight": 1,
	}
	if r.Type == "MX" {
		o["Priority"] = r.Priority
	}
	return o
}

// numberedPage answers the page PageNumber of PageSize rows (20 unless told), wrapped twice.
func numberedPage(c *call, rows []object, largest int, outer, inner string) (object, error) {
	number, err := c.params.integer("PageNumber", 1, 1, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	size, err := c.pageSize("PageSize", 20, largest)
	if err != nil {
		return nil, err
	}
	return object{
		"PageNumber": number, "PageSize": size, "TotalCount": len(rows),
		outer: object{inner: page(rows, (number-1)*size, size)},
	}, nil
}

func (a alidns) describeDomains(c *call) (object, error) {
	rows := []object{}
	for _, z := range a.zones.hosted() {
		if keyword := c.params["KeyWord"]; containsFold(z.name, keyword) || containsFold(z.punycode, keyword) {
			row := a.describe(z)
			row["RecordCount"] = len(a.zones.records(z))
			rows = append(rows, row)
		}
	}
	return numberedPage(c, rows, 100, "Domains", "Domain")
}

func (a alidns) describeDomainInfo(c *call) (object, error) {
	z, err := a.zone(c.params)
	if err != nil {
		return nil, err
	}
	info := a.describe(z)
	info["MinTtl"] = minTTL
	info["AvailableTtls"] = object{"AvailableTtl": []string{"600", "1800", "3600", "43200", "86400"}}
	return info, nil
}

func (a alidns) describe(z *zone) object {
	return object{
		"DomainId": z.id, "DomainName": z.name, "PunyCode": z.punycode, "AliDomain": true,
		"VersionCode": "mianfei", "VersionName": "Alibaba Cloud DNS", "CreateTime": z.created.UTC().Format("2006-01-02T15:04Z"),
		"DnsServers": object{"DnsServer": a.zones.servers},
	}
}

// getMainDomainName splits a name at its longest hosted zone.
func (a alidns) getMainDomainName(c *call) (object, error) {
	if err := c.params.require("InputString"); err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(strings.ToLower(c.params["InputString"]), ".")
	z := enclosing(a.zones.hosted(), name)
	if z == nil {
		return nil, errNoSuchZone
	}
	labels := dns.SplitDomainName(name)
	level := len(labels) - dns.CountLabel(z.punycode)
	rr := "@"
	if level > 0 {
		rr = strings.Join(labels[:level], ".")
	}
	return object{"DomainName": z.name, "RR": rr, "DomainLevel": level}, nil
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func isType(r Record, recordType string) bool {
	return recordType == "" || strings.EqualFold(r.Type, recordType)
}
