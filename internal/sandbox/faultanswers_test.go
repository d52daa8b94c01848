package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestChallengesAreSpoilt(t *testing.T) {
	for _, test := range []struct {
		kind    string
		isFault func(answer) bool
	}{
		{"unknown-status", hasStatus("reviewing")}, // fault 18
		{"empty-checkname", func(a answer) bool { return a.fields["CheckName"] == "" && a.fields["CheckValue"] == "" }}, // fault 29
		{"hostile-checkname", func(a answer) bool { return slices.Contains(hostileNames, a.text("CheckName")) }},        // fault 84
	} {
		t.Run(test.kind, func(t *testing.T) {
			s, c := faulty(t, test.kind+":DescribeDVOrderResult:1")
			instance := s.Instances()[0].InstanceID
			c.submit(instance, "example.com")
			if a := c.result(instance); !test.isFault(a) {
				t.Errorf("no such fault: %s", a.body)
			}
			if a := c.result(instance); a.text("CheckName") != "_dnsauth.example.com" || a.text("OrderStatus") != "checking" {
				t.Errorf("it bites a second time: %s", a.body)
			}
		})
	}
}

func TestAnIssuedOrderGoesBackwards(t *testing.T) { // fault 19
	s, c := faulty(t, "status-backwards:DescribeDVOrderResult:1")
	instance := s.Instances()[0].InstanceID
	c.submit(instance, "example.com")
	if err := s.ForceOrder(instance, "issued"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"issued", "checking", "issued"} {
		if a := c.result(instance); a.text("OrderStatus") != want || (a.text("PrivateKey") != "") != (want == "issued") {
			t.Errorf("read %d: %s", i+1, a.body)
		}
	}
}

// instances reads one page of the instance list: the total that it names, and the rows' ids.
func instances(c *client, start int) (total string, ids []string) {
	c.t.Helper()
	a := c.cas("DescribeOrderInstanceList", "StartIndex", fmt.Sprint(start))
	rows, _ := a.fields["OrderList"].([]any)
	for _, row := range rows {
		fields, _ := row.(map[string]any)
		id, _ := fields["InstanceId"].(string)
		ids = append(ids, id)
	}
	return number(a.fields["TotalCount"]), ids
}

func TestInstanceListsAreSpoilt(t *testing.T) {
	for _, test := range []struct {
		kind  string
		start int
		total string
		want  []string
	}{
		{"omit-instance", 0, "4", []string{"five", "four", "two", "one"}},           // fault 20
		{"no-instances", 0, "0", nil},                                               // fault 22
		{"repeat-page", 3, "5", []string{"five", "four", "three", "two", "one"}},    // fault 21
		{"ignore-page-size", 1, "5", []string{"four", "three"}},                     // fault 21
		{"wrong-total", 0, "1005", []string{"five", "four", "three", "two", "one"}}, // fault 21
		{"low-total", 0, "4", []string{"five", "four", "three", "two", "one"}},      // fault 21
		{"sample-shapes", 0, "5", []string{"five", "four", "t****", "two", "one"}},  // fault 30
	} {
		t.Run(test.kind, func(t *testing.T) {
			f, err := ParseFault(test.kind)
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, Options{Instances: -1, Faults: []Fault{f}})
			for _, i := range [][2]string{{"one", "PAYED"}, {"two", "PAYED"}, {"three", "CHECKING"}, {"four", "PAYED"}, {"five", "PAYED"}} {
				s.AddInstance("DV", "BUY", i[1], i[0])
			}
			total, ids := instances(newClient(t, s), test.start)
			if total != test.total || !slices.Equal(ids, test.want) {
				t.Errorf("got %s %v, want %s %v", total, ids, test.total, test.want)
			}
		})
	}
}

func TestZonesAreListedWithoutTheirServers(t *testing.T) {
	_, c := faulty(t, "omit-servers")
	list := fmt.Sprint(c.alidns("DescribeDomains").fields["Domains"])
	info := fmt.Sprint(c.alidns("DescribeDomainInfo", "DomainName", "example.com").fields["DnsServers"])
	if !strings.Contains(list, "example.com") || strings.Contains(list, "ns1.") || !strings.Contains(info, "ns1.") {
		t.Errorf("the list is %s, the zone's servers %s", list, info)
	}
}

func TestAPageOfRecordsIsRepeated(t *testing.T) { // fault 21
	s, c := faulty(t, "repeat-page:DescribeDomainRecords")
	for i := range 3 {
		if _, err := s.AddRecord("example.com", "a", "TXT", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	first := c.alidns("DescribeDomainRecords", "DomainName", "example.com", "PageSize", "2")
	second := c.alidns("DescribeDomainRecords", "DomainName", "example.com", "PageSize", "2", "PageNumber", "2")
	if got, want := fmt.Sprint(second.fields["DomainRecords"]), fmt.Sprint(first.fields["DomainRecords"]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if last := s.History()[1]; last.Params["PageNumber"] != "2" {
		t.Errorf("the history shows another request than was sent: %v", last.Params)
	}
}

func TestNumbersAndStringsChangePlaces(t *testing.T) { // fault 30
	s, c := faulty(t, "numbers")
	if _, err := s.AddRecord("example.com", "a", "TXT", "x"); err != nil {
		t.Fatal(err)
	}
	a := c.alidns("DescribeDomainRecords", "DomainName", "example.com")
	if a.text("TotalCount") != "1" || !strings.Contains(string(a.body), fmt.Sprintf(`"RecordId":%s`, s.Records("example.com")[0].RecordID)) {
		t.Errorf("%s", a.body)
	}
}

func TestSampleShapes(t *testing.T) { // fault 30
	s, c := faulty(t, "sample-shapes")
	instance := s.Instances()[0].InstanceID
	c.submit(instance, "example.com")
	if err := s.ForceOrder(instance, "issued"); err != nil {
		t.Fatal(err)
	}
	order := c.result(instance)
	upload := c.cas("CreateUserCertificate", "Name", "n", "Cert", order.text("Certificate"), "Key", order.text("PrivateKey"))
	if upload.status != http.StatusOK || upload.text("Code") != "200" || upload.fields["CertId"] != nil {
		t.Errorf("the upload: %s", upload.body)
	}
	row := certificateRow(t, c, 0, 2)
	if fingerprint, _ := row["fingerprint"].(string); !strings.HasSuffix(fingerprint, "****") {
		t.Errorf("the fingerprint is not masked: %v", row)
	}
	detail := c.cas("DescribeUserCertificateDetail", "CertId", number(row["id"]))
	if len(detail.fields) != 1 || detail.text("RequestId") == "" {
		t.Errorf("the detail: %s", detail.body)
	}
}
