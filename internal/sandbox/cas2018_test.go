package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnOrderIsRefused(t *testing.T) {
	s := start(t, quick)
	free := s.Instances()[0].InstanceID
	busy := s.AddInstance("DV", "BUY", "CHECKING", "")
	organization := s.AddInstance("OV", "BUY", "PAYED", "")
	for _, test := range []struct {
		name   string
		change []string
		status int
		code   string
	}{
		{"without a domain", []string{"Domain", absent}, 400, "MissingParameter"},
		{"with an empty contact", []string{"Mobile", ""}, 400, "MissingParameter"},
		{"on an unknown instance", []string{"InstanceId", "cas-cn-nobody"}, 404, "NotFound"},
		{"on an instance that is being checked", []string{"InstanceId", busy}, 403, "OrderStateError"},
		{"on an instance of another kind", []string{"InstanceId", organization}, 403, "OrderStateError"},
		{"for a name with two dots", []string{"Domain", "a..example.com"}, 400, "InvalidParameter"},
		{"for a name of one label", []string{"Domain", "localhost"}, 400, "InvalidParameter"},
		{"for two wildcards in one name", []string{"Domain", "*.*.example.com"}, 400, "InvalidParameter"},
		{"for a list with a gap", []string{"Domain", "example.com,,www.example.com"}, 400, "InvalidParameter"},
		{"for a name of 254 characters", []string{"Domain", strings.Repeat("a.", 120) + "aa.example.com"}, 400, "InvalidParameter"},
		{"with another kind of proof", []string{"DomainVerifyType", "EMAIL"}, 400, "InvalidParameter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pairs := append([]string{"InstanceId", free, "Domain", "example.com"}, contact...)
			a := newClient(t, s).cas("CreateDVOrderAudit", append(pairs, test.change...)...)
			if a.status != test.status || a.text("Code") != test.code {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, test.status, test.code)
			}
		})
	}
	if s.Submitted() != 0 {
		t.Errorf("%d submissions were counted", s.Submitted())
	}
}

func TestAnInstanceIsSubmittedOnceUntilItFails(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	if got := c.result(instance).text("OrderStatus"); got != "payed" {
		t.Errorf("before the order: %q", got)
	}
	c.submit(instance, "example.com")
	again := append([]string{"InstanceId", instance, "Domain", "example.com"}, contact...)
	if a := c.cas("CreateDVOrderAudit", again...); a.text("Code") != "OrderStateError" {
		t.Errorf("while checking: %s", a.body)
	}
	first := c.result(instance).text("CheckValue")
	if err := s.ForceOrder(instance, "check_fail"); err != nil {
		t.Fatal(err)
	}
	if got := s.Instances()[0].Status; got != "CHECKED_FAIL" {
		t.Errorf("after the failure: %s", got)
	}
	c.submit(instance, "example.com")
	if got := c.result(instance); got.text("OrderStatus") != "checking" || got.text("CheckValue") == first {
		t.Errorf("submitted again: %s", got.body)
	}
	if s.Submitted() != 2 {
		t.Errorf("%d submissions, want 2", s.Submitted())
	}
}

func TestNamesOfTheLeaf(t *testing.T) {
	zones := []*zone{{name: "example.com", punycode: "example.com"}}
	for _, test := range []struct{ name, domains, want string }{
		{"an apex carries www", "example.com", "example.com www.example.com"},
		{"www carries its apex", "www.example.com", "www.example.com example.com"},
		{"another name stands alone", "api.example.com", "api.example.com"},
		{"a wildcard carries its parent", "*.example.com", "*.example.com example.com"},
		{"several names get no counterpart", "example.com,api.example.com", "example.com api.example.com"},
		{"a name comes once", "*.example.com,example.com", "*.example.com example.com"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := order{Order: Order{Domains: strings.Split(test.domains, ",")}}
			if got := strings.Join(o.certificateNames(zones), " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAnOrderIsNotIssued(t *testing.T) {
	for _, test := range []struct {
		name    string
		domains string
		verify  string
		prepare func(*Sandbox) error
		want    string
	}{
		{"for a zone that is not hosted", "example.net", "DNS", nothingElse, "checking"},
		{"for a list with a zone that is not hosted", "example.com,example.net", "DNS", nothingElse, "checking"},
		{"when a file was to be looked at", "example.com", "FILE", nothingElse, "checking"},
		{"when CAA names another CA", "example.com", "DNS", addCAA("issue", "other.example"), "check_fail"},         // fault 49
		{"when CAA names no CA for wildcards", "*.example.com", "DNS", addCAA("issuewild", ";"), "check_fail"},      // fault 49
		{"when CAA of a name further up names another", "a.example.com", "DNS", addCAA("issue", "x"), "check_fail"}, // fault 49
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, quick)
			if err := test.prepare(s); err != nil {
				t.Fatal(err)
			}
			c := newClient(t, s)
			instance := s.Instances()[0].InstanceID
			pairs := append([]string{"InstanceId", instance, "Domain", test.domains}, contact...)
			c.cas("CreateDVOrderAudit", append(pairs, "DomainVerifyType", test.verify)...)
			pending := c.result(instance)
			if _, err := s.AddRecord("example.com", "_dnsauth", "TXT", pending.text("CheckValue")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.AddRecord("example.com", "_dnsauth.a", "TXT", pending.text("CheckValue")); err != nil {
				t.Fatal(err)
			}
			if test.want == checking {
				// Once a later order is through, this one has been looked at too.
				other := s.Instances()[1].InstanceID
				c.submit(other, "b.example.com")
				c.publish(c.result(other))
				c.until(other, hasStatus("issued"))
			}
			c.until(instance, hasStatus(test.want))
		})
	}
}

func nothingElse(*Sandbox) error { return nil }

func addCAA(tag, value string) func(*Sandbox) error {
	return func(s *Sandbox) error {
		_, err := s.AddRecord("example.com", "@", "CAA", fmt.Sprintf("0 %s %q", tag, value))
		return err
	}
}

func TestCAAThatNamesTheCAIsNoHindrance(t *testing.T) {
	s := start(t, quick)
	if err := addCAA("issue", "digicert.com; policy=dv")(s); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	c.submit(instance, "example.com")
	c.publish(c.result(instance))
	c.until(instance, hasStatus("issued"))
}

func TestATokenIsRenewedAfterADay(t *testing.T) { // fault 29
	s := start(t, quick)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	c.submit(instance, "example.com")
	first := c.result(instance)
	o, _ := s.cas.order(instance)
	if life := o.until.Sub(o.Submitted).Round(time.Minute); life != 24*time.Hour {
		t.Errorf("a token lives for %v", life)
	}
	s.cas.update(o, func(o *order) { o.until = time.Now().Add(-time.Second) })
	c.until(instance, func(a answer) bool {
		return a.text("CheckName") == first.text("CheckName") && a.text("CheckValue") != first.text("CheckValue")
	})
}

func TestAFileIsAskedForByURL(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	pairs := append([]string{"InstanceId", instance, "Domain", "example.com"}, contact...)
	c.cas("CreateDVOrderAudit", append(pairs, "DomainVerifyType", "FILE")...)
	a := c.result(instance)
	if a.text("CheckType") != "FILE" || !strings.HasPrefix(a.text("CheckName"), "example.com/.well-known/") {
		t.Errorf("%s", a.body)
	}
}

func TestInstancesArePagedFromTheNewest(t *testing.T) {
	s := start(t, Options{Instances: instancePage + 2})
	c := newClient(t, s)
	var ids []string
	for start, more := 0, true; more; start += instancePage {
		a := c.cas("DescribeOrderInstanceList", "StartIndex", fmt.Sprint(start))
		if total, _ := a.fields["TotalCount"].(float64); int(total) != instancePage+2 {
			t.Fatalf("TotalCount: %s", a.body)
		}
		rows, _ := a.fields["OrderList"].([]any)
		for _, row := range rows {
			fields, _ := row.(map[string]any)
			id, _ := fields["InstanceId"].(string)
			ids = append(ids, id)
		}
		more = len(rows) > 0
	}
	var want []string
	for _, i := range slices.Backward(s.Instances()) {
		want = append(want, i.InstanceID)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
}

func TestCertificatesOfTheAccount(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	c.submit(instance, "example.com")
	if err := s.ForceOrder(instance, "issued"); err != nil {
		t.Fatal(err)
	}
	issued := c.result(instance)

	row := certificateRow(t, c, 0, 1)
	detail := c.cas("DescribeUserCertificateDetail", "CertId", number(row["id"]))
	if row["buyInAliyun"] != true || row["common"] != "example.com" || row["sans"] != "example.com,www.example.com" || row["country"] != "CN" {
		t.Errorf("the row of an issued certificate: %v", row)
	}
	if detail.text("Cert") != issued.text("Certificate") || detail.text("Key") != issued.text("PrivateKey") || detail.text("Fingerprint") != row["fingerprint"] {
		t.Errorf("the detail differs from the order: %v", row)
	}

	upload := []string{"Name", "mine", "Cert", issued.text("Certificate"), "Key", issued.text("PrivateKey")}
	uploaded := c.cas("CreateUserCertificate", upload...)
	if uploaded.status != http.StatusOK || number(uploaded.fields["CertId"]) == number(row["id"]) {
		t.Fatalf("the upload: %s", uploaded.body)
	}
	if a := c.cas("CreateUserCertificate", append(upload, "Lang", "en")...); a.text("Message") != "The certificate name already exists." {
		t.Errorf("the same name again: %s", a.body)
	}
	if row := certificateRow(t, c, 0, 2); row["name"] != "mine" || row["buyInAliyun"] != false {
		t.Errorf("the uploaded one does not come first: %v", row)
	}
	id := number(uploaded.fields["CertId"])
	if a := c.cas("DeleteUserCertificate", "CertId", id); a.status != http.StatusOK {
		t.Errorf("the delete: %s", a.body)
	}
	for _, action := range []string{"DeleteUserCertificate", "DescribeUserCertificateDetail"} {
		if a := c.cas(action, "CertId", id); a.status != http.StatusNotFound || a.text("Message") != "没有找到必要内容，请检查参数输入。" {
			t.Errorf("%s of what is gone: %s", action, a.body)
		}
	}
}

// certificateRow reads one row of the list of certificates, which has total rows.
func certificateRow(t *testing.T, c *client, i, total int) map[string]any {
	t.Helper()
	a := c.cas("DescribeUserCertificateList", "CurrentPage", "1", "ShowSize", "50")
	rows, _ := a.fields["CertificateList"].([]any)
	if len(rows) != total || number(a.fields["TotalCount"]) != fmt.Sprint(total) {
		t.Fatalf("want %d rows: %s", total, a.body)
	}
	row, _ := rows[i].(map[string]any)
	return row
}

func number(value any) string {
	n, _ := value.(float64)
	return fmt.Sprintf("%.0f", n)
}

func TestAPairThatDoesNotMatchIsNotTaken(t *testing.T) {
	c := newClient(t, start(t, quick))
	a := c.cas("CreateUserCertificate", "Name", "n", "Cert", "no PEM", "Key", "no PEM")
	if a.status != http.StatusBadRequest || a.text("Code") != "InvalidParameter" {
		t.Errorf("%s", a.body)
	}
}
