package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestRecordsComeAndGo(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	added := c.alidns("AddDomainRecord", "DomainName", "Example.com", "RR", "_dnsauth", "Type", "TXT", "Value", "one", "TTL", "600")
	id := added.text("RecordId")
	if added.status != http.StatusOK || id == "" {
		t.Fatalf("%s", added.body)
	}
	if a := c.alidns("UpdateDomainRecord", "RecordId", id, "RR", "_dnsauth", "Type", "TXT", "Value", "two"); a.text("RecordId") != id {
		t.Errorf("the update: %s", a.body)
	}
	if got := s.Records("example.com"); len(got) != 1 || got[0].Value != "two" || got[0].RecordID != id || got[0].TTL != 600 {
		t.Errorf("the zone holds %+v", got)
	}
	if a := c.alidns("DeleteDomainRecord", "RecordId", id); a.text("RecordId") != id {
		t.Errorf("the delete: %s", a.body)
	}
	if a := c.alidns("DeleteDomainRecord", "RecordId", id); a.text("Code") != "DomainRecordNotBelongToUser" {
		t.Errorf("the delete of what is gone: %s", a.body)
	}
	if got := s.Records("example.com"); len(got) != 0 {
		t.Errorf("the zone still holds %+v", got)
	}
}

// fault 163
func TestATTLBelowTheEditionsMinimumIsRefused(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	id, err := s.AddRecord("example.com", "b", "TXT", "x")
	if err != nil {
		t.Fatal(err)
	}
	for ttl, code := range map[string]string{"1": "QuotaExceeded.TTL", "599": "QuotaExceeded.TTL", "600": "", "": "", "86400": "", "86401": "InvalidParameter"} {
		added := c.alidns("AddDomainRecord", "DomainName", "example.com", "RR", "a", "Type", "TXT", "Value", "of "+ttl, "TTL", ttl)
		updated := c.alidns("UpdateDomainRecord", "RecordId", id, "RR", "b", "Type", "TXT", "Value", "of "+ttl, "TTL", ttl)
		if added.text("Code") != code || updated.text("Code") != code {
			t.Errorf("a TTL of %q: %s, %s", ttl, added.body, updated.body)
		}
	}
}

// fault 163
func TestOneRecordIsDescribed(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	id, err := s.AddRecord("example.com", "_dnsauth", "TXT", "one")
	if err != nil {
		t.Fatal(err)
	}
	a := c.alidns("DescribeDomainRecordInfo", "RecordId", id)
	for name, want := range map[string]string{"RecordId": id, "DomainName": "example.com", "PunyCode": "example.com",
		"RR": "_dnsauth", "Type": "TXT", "Value": "one", "Line": "default", "Status": enabled} {
		if a.text(name) != want {
			t.Errorf("%s is %q, want %q", name, a.text(name), want)
		}
	}
	if a.fields["TTL"] != float64(600) || a.fields["Locked"] != false || a.text("DomainId") == "" {
		t.Errorf("%s", a.body)
	}
	if a := c.alidns("DescribeDomainRecordInfo", "RecordId", "1"); a.text("Code") != "DomainRecordNotBelongToUser" {
		t.Errorf("one that is not there: %s", a.body)
	}
}

// fault 163
func TestTheRecordsOfANameAreDeleted(t *testing.T) {
	for _, test := range []struct{ name, rr, recordType, removed, left string }{
		{"of one type", "_dnsauth", "TXT", "2", "A TXT"},
		{"of every type without one", "_DNSAUTH", "", "3", "TXT"},
		{"of a name that has none", "nobody", "", "0", "A TXT TXT TXT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, quick)
			for _, r := range [][3]string{{"_dnsauth", "A", "192.0.2.1"}, {"_dnsauth", "TXT", "one"}, {"_dnsauth", "TXT", "two"}, {"www", "TXT", "three"}} {
				if _, err := s.AddRecord("example.com", r[0], r[1], r[2]); err != nil {
					t.Fatal(err)
				}
			}
			a := newClient(t, s).alidns("DeleteSubDomainRecords", "DomainName", "example.com", "RR", test.rr, "Type", test.recordType)
			var left []string
			for _, r := range s.Records("example.com") {
				left = append(left, r.Type)
			}
			if a.text("RR") != test.rr || a.text("TotalCount") != test.removed || strings.Join(left, " ") != test.left {
				t.Errorf("%s leaves %v", a.body, left)
			}
		})
	}
}

func TestARecordIsRefused(t *testing.T) {
	s := start(t, quick)
	for _, r := range [][3]string{{"_dnsauth", "TXT", "one"}, {"alias", "CNAME", "other.example.net"}} {
		if _, err := s.AddRecord("example.com", r[0], r[1], r[2]); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ name, zone, rr, recordType, value, code string }{
		{"that is there already", "example.com", "_dnsauth", "TXT", "one", "DomainRecordDuplicate"},
		{"beside a CNAME", "example.com", "alias", "TXT", "x", "DomainRecordConflict"},
		{"that is a CNAME beside others", "example.com", "_dnsauth", "CNAME", "x.example.net", "DomainRecordConflict"},
		{"in a zone that is not hosted", "example.net", "_dnsauth", "TXT", "x", "InvalidDomainName.NoExist"},
		{"in the zone of the name servers", home, "ns1", "TXT", "x", "InvalidDomainName.NoExist"},
		{"with a gap in its RR", "example.com", "a..b", "TXT", "x", "InvalidRR.Format"},
		{"with a wildcard inside its RR", "example.com", "a.*", "TXT", "x", "InvalidRR.Format"},
		{"with an RR that is too long", "example.com", strings.Repeat("a.", 125) + "a", "TXT", "x", "InvalidRR.Format"},
		{"of an unknown type", "example.com", "a", "PTR", "x", "InvalidType"},
		{"with a value that is no address", "example.com", "a", "A", "x", "InvalidValue"},
		{"without a value", "example.com", "a", "TXT", "", "MissingParameter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newClient(t, s).alidns("AddDomainRecord", "DomainName", test.zone, "RR", test.rr,
				"Type", test.recordType, "Value", test.value)
			if a.status != http.StatusBadRequest || a.text("Code") != test.code {
				t.Errorf("got %s, want %s", a.body, test.code)
			}
		})
	}
	if n := len(s.Records("example.com")); n != 2 {
		t.Errorf("the zone has %d records, want 2", n)
	}
}

func TestSearchesOfRecords(t *testing.T) {
	s := start(t, Options{Zones: []string{"example.com", "sub.example.com"}})
	for _, r := range [][4]string{
		{"example.com", "_dnsauth", "TXT", "one"}, {"example.com", "_dnsauth", "TXT", "two"},
		{"example.com", "_dnsauth.www", "TXT", "three"}, {"example.com", "@", "A", "192.0.2.1"},
		{"sub.example.com", "_dnsauth", "TXT", "four"},
	} {
		if _, err := s.AddRecord(r[0], r[1], r[2], r[3]); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		action string
		pairs  []string
		want   string
	}{
		{"RR is searched by a part", "DescribeDomainRecords", []string{"RRKeyWord", "DNSAUTH"}, "three two one"},
		{"a value is searched by a part", "DescribeDomainRecords", []string{"ValueKeyWord", "o"}, "two one"},
		{"a type is searched exactly", "DescribeDomainRecords", []string{"TypeKeyWord", "A"}, "192.0.2.1"},
		{"a part of a type finds nothing", "DescribeDomainRecords", []string{"TypeKeyWord", "TX"}, ""},
		{"a whole name finds that name", "DescribeSubDomainRecords", []string{"SubDomain", "_dnsauth.example.com", "Type", "TXT"}, "two one"},
		{"an apex is found by @ too", "DescribeSubDomainRecords", []string{"SubDomain", "@.example.com"}, "192.0.2.1"},
		{"a whole name belongs to the longest zone", "DescribeSubDomainRecords", []string{"DomainName", "", "SubDomain", "_dnsauth.sub.example.com"}, "four"},
		{"a page ends where it was told to", "DescribeDomainRecords", []string{"PageSize", "3"}, "192.0.2.1 three two"},
		{"the next page goes on", "DescribeDomainRecords", []string{"PageSize", "3", "PageNumber", "2"}, "one"},
		{"a page past the end is empty", "DescribeDomainRecords", []string{"PageNumber", "9"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newClient(t, s).alidns(test.action, append([]string{"DomainName", "example.com"}, test.pairs...)...)
			outer, _ := a.fields["DomainRecords"].(map[string]any)
			rows, isList := outer["Record"].([]any)
			if !isList {
				t.Fatalf("no list: %s", a.body)
			}
			var values []string
			for _, row := range rows {
				fields, _ := row.(map[string]any)
				values = append(values, fmt.Sprint(fields["Value"]))
			}
			if got := strings.Join(values, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAPageLargerThanAllowedIsRefused(t *testing.T) {
	c := newClient(t, start(t, quick))
	if a := c.alidns("DescribeDomainRecords", "DomainName", "example.com", "PageSize", "501"); a.text("Code") != "InvalidParameter" {
		t.Errorf("%s", a.body)
	}
	if a := c.alidns("DescribeDomains", "PageSize", "101"); a.text("Code") != "InvalidParameter" {
		t.Errorf("%s", a.body)
	}
}

func TestZones(t *testing.T) {
	s := start(t, Options{Zones: []string{"example.com", "sub.example.com", "例子.test"}})
	c := newClient(t, s)
	var list struct {
		Domains struct {
			Domain []struct{ DomainName, PunyCode string }
		}
	}
	decode(t, c.alidns("DescribeDomains", "KeyWord", "例子"), &list)
	if len(list.Domains.Domain) != 1 || list.Domains.Domain[0].PunyCode != "xn--fsqu00a.test" {
		t.Errorf("the zone in Unicode: %+v", list)
	}
	var info struct {
		MinTtl        int
		VersionCode   string
		DnsServers    struct{ DnsServer []string }
		AvailableTtls struct{ AvailableTtl []string }
	}
	decode(t, c.alidns("DescribeDomainInfo", "DomainName", "xn--fsqu00a.test"), &info)
	if info.MinTtl != 600 || info.VersionCode == "" || len(info.DnsServers.DnsServer) != 2 || len(info.AvailableTtls.AvailableTtl) == 0 {
		t.Errorf("%+v", info)
	}
	for input, want := range map[string]string{
		"_dnsauth.example.com": "example.com _dnsauth 1", "a.sub.example.com": "sub.example.com a 1",
		"example.com": "example.com @ 0", "example.net": "  0", "a.b.例子.test": "例子.test a.b 2",
	} {
		var main struct {
			DomainName, RR string
			DomainLevel    int
		}
		decode(t, c.alidns("GetMainDomainName", "InputString", input), &main)
		if got := fmt.Sprintf("%s %s %d", main.DomainName, main.RR, main.DomainLevel); got != want {
			t.Errorf("%s: got %q, want %q", input, got, want)
		}
	}
}

func TestADisabledRecordIsListedButNotServed(t *testing.T) {
	s := start(t, Options{Propagation: quick.Propagation[:1]})
	c := newClient(t, s)
	id, err := s.AddRecord("example.com", "a", "TXT", "x")
	if err != nil {
		t.Fatal(err)
	}
	if a := c.alidns("SetDomainRecordStatus", "RecordId", id, "Status", "Disable"); a.status != http.StatusOK {
		t.Fatalf("%s", a.body)
	}
	if got := s.Records("example.com"); len(got) != 1 || got[0].Status != disabled {
		t.Errorf("the zone holds %+v", got)
	}
	eventually(t, func() bool { return len(ask(t, s, 0, "udp", "a.example.com", "TXT").Answer) == 0 })
}
