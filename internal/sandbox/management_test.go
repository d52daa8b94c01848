package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// manage sends one request to the management port, and decodes the answer into what is pointed at.
func manage(t *testing.T, s *Sandbox, method, path, body string, into any) (status int) {
	t.Helper()
	r, err := http.NewRequest(method, s.Ready().Management+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode
}

func TestTheManagementPort(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)

	var ready Ready
	if manage(t, s, "GET", "/", "", &ready); ready.API != s.Ready().API || ready.AccessKeySecret != "" {
		t.Error("it does not tell the addresses, or tells the secret")
	}
	var added struct{ InstanceId, RecordId string }
	manage(t, s, "POST", "/instances", `{"InstanceId":"cas-cn-mine"}`, &added)
	var instances []Instance
	manage(t, s, "GET", "/instances", "", &instances)
	if last := instances[len(instances)-1]; added.InstanceId != "cas-cn-mine" || last.InstanceID != "cas-cn-mine" || last.CertType != "DV" || last.Status != "PAYED" {
		t.Errorf("the new instance: %+v", last)
	}

	var none struct{}
	manage(t, s, "POST", "/orders/cas-cn-mine", `{"domains":["example.com","*.example.com"]}`, &none)
	var orders []Order
	if manage(t, s, "GET", "/orders", "", &orders); len(orders) != 1 || orders[0].CheckName != "_dnsauth.example.com" || len(orders[0].Domains) != 2 {
		t.Errorf("%+v", orders)
	}
	manage(t, s, "POST", "/orders/cas-cn-mine", `{"status":"issued"}`, &none)
	if a := c.result("cas-cn-mine"); a.text("OrderStatus") != "issued" {
		t.Errorf("%s", a.body)
	}

	manage(t, s, "POST", "/records", `{"DomainName":"example.com","RR":"a","Type":"TXT","Value":"x"}`, &added)
	var records []Record
	if manage(t, s, "GET", "/records?zone=example.com", "", &records); len(records) != 1 || records[0].RecordID != added.RecordId {
		t.Errorf("%+v", records)
	}
	manage(t, s, "DELETE", "/records/"+added.RecordId, "", &none)
	if len(s.Records("example.com")) != 0 {
		t.Error("the record is still there")
	}

	var history []Request
	if manage(t, s, "GET", "/history", "", &history); len(history) != 1 || history[0].Action != "DescribeDVOrderResult" {
		t.Errorf("%+v", history)
	}
	manage(t, s, "DELETE", "/history", "", &none)
	if len(s.History()) != 0 {
		t.Error("the history was not cleared")
	}
}

func TestFaultsByTheManagementPort(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	var none struct{}
	manage(t, s, "POST", "/faults", `{"spec":"throttle:DescribeDomains:2"}`, &none)
	if a := c.alidns("DescribeDomains"); a.text("Code") != "Throttling.User" {
		t.Errorf("%s", a.body)
	}
	var specs []string
	if manage(t, s, "GET", "/faults", "", &specs); len(specs) != 1 || specs[0] != "throttle:DescribeDomains:1" {
		t.Errorf("in force: %v", specs)
	}
	manage(t, s, "DELETE", "/faults", "", &none)
	if a := c.alidns("DescribeDomains"); a.status != http.StatusOK {
		t.Errorf("%s", a.body)
	}
	manage(t, s, "POST", "/faults", `{"spec":"refuse"}`, &none)
	if _, err := c.call("2015-01-09", "DescribeDomains"); err == nil {
		t.Error("the port is still open")
	}
	manage(t, s, "POST", "/key", `{"access_key_id":"LTAInew","access_key_secret":"x"}`, &none)
	if s.Ready().AccessKeyID != "LTAInew" {
		t.Error("the key was not replaced")
	}
}

func TestTheManagementPortRefuses(t *testing.T) {
	s := start(t, quick)
	for _, test := range []struct{ name, method, path, body string }{
		{"an unknown fault", "POST", "/faults", `{"spec":"nonsense"}`},
		{"what is no JSON", "POST", "/faults", `spec=throttle`},
		{"an order on an unknown instance", "POST", "/orders/nobody", `{"domains":["example.com"]}`},
		{"a state of an unknown order", "POST", "/orders/nobody", `{"status":"issued"}`},
		{"no change of an order", "POST", "/orders/nobody", `{}`},
		{"a record of an unknown zone", "POST", "/records", `{"DomainName":"example.net","RR":"a","Type":"TXT","Value":"x"}`},
		{"the delete of an unknown record", "DELETE", "/records/1", ""},
		{"half a key", "POST", "/key", `{"access_key_id":"x"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var answer struct{ Error string }
			if status := manage(t, s, test.method, test.path, test.body, &answer); status != http.StatusBadRequest || answer.Error == "" {
				t.Errorf("%d %+v", status, answer)
			}
		})
	}
}
