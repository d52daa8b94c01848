package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheDocsHaveEachKindOf2020(t *testing.T) {
	text, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range slices.Concat(instanceKinds, proofKinds) {
		if row := fmt.Sprintf("\n| `%s` | %s |\n", k.name, k.about); !strings.Contains(string(text), row) {
			t.Errorf("there is no row %s", row)
		}
	}
}

func TestEachCodeIsRefusedWith(t *testing.T) {
	s, c := faulty(t)
	for _, code := range codes {
		t.Run(code.code, func(t *testing.T) {
			f, err := ParseFault("code-" + code.code + ":ListInstances:1")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetFaults(f); err != nil {
				t.Fatal(err)
			}
			if a := c.cas2020("ListInstances"); a.status != code.status || a.text("Code") != code.code {
				t.Errorf("%d %s", a.status, a.body)
			}
			c.accepted("ListInstances")
		})
	}
}

func TestACodeIsRefusedBeforeAnythingIsApplied(t *testing.T) { // faults 96 to 98
	s, c, id := firstInstance(t, "code-InvalidStatus.UpdateProtection:UpdateInstance:1", "code-OperationDenied.StatusNotSupport:ApplyCertificate:1")
	if a := c.cas2020("UpdateInstance", "InstanceId", id, "Domain", "example.com"); a.text("Code") != "InvalidStatus.UpdateProtection" || s.Subscriptions()[0].Domain != "" {
		t.Errorf("%s", a.body)
	}
	c.prepare(s, id, "example.com")
	if a := c.cas2020("ApplyCertificate", "InstanceId", id); a.text("Code") != "OperationDenied.StatusNotSupport" || s.Applied() != 0 {
		t.Errorf("%s", a.body)
	}
	c.accepted("ApplyCertificate", "InstanceId", id)
}

func TestAnAnswerIsLostBeforeOrAfterTheEffect(t *testing.T) { // faults 95 and 97
	for kind, applied := range map[string]int{"drop-request": 0, "lose-answer": 1} {
		t.Run(kind, func(t *testing.T) {
			s, c, id := firstInstance(t, kind+":ApplyCertificate:1")
			c.prepare(s, id, "example.com")
			if _, err := c.call(API2020, "ApplyCertificate", "InstanceId", id); err == nil || s.Applied() != applied {
				t.Errorf("%v, %d applied", err, s.Applied())
			}
		})
	}
}

func TestAnUpdateSubmitsByItself(t *testing.T) { // fault 96
	s, c, id := firstInstance(t, "auto-submit")
	c.accepted("UpdateInstance", "InstanceId", id, "Domain", "example.com")
	if got := c.detail(id).text("Status"); got != "inactive" {
		t.Errorf("with half of the data it is %s", got)
	}
	c.prepare(s, id, "example.com")
	if a := c.cas2020("ApplyCertificate", "InstanceId", id); a.text("Code") != "OperationDenied.StatusNotSupport" {
		t.Errorf("%s", a.body)
	}
	c.publish2020(s, c.detailUntil(id, hasProofs))
	c.detailUntil(id, hasCertificate)
}

func TestAnInstanceTakesNoFurtherApplication(t *testing.T) { // fault 102
	s, c, id := firstInstance(t, "one-certificate")
	c.issue2020(s, id, "example.com")
	c.prepare(s, id, "example.com")
	if a := c.cas2020("ApplyCertificate", "InstanceId", id); a.text("Code") != "OperationDenied.StatusNotSupport" {
		t.Errorf("%s", a.body)
	}
}

func TestTheCARefuses(t *testing.T) { // faults 100 and 101
	for kind, status := range map[string]string{"check-fail": "normal", "checked-fail": "normal", "inactive-after-refusal": "inactive"} {
		t.Run(kind, func(t *testing.T) {
			s, c, id := firstInstance(t, kind+":ApplyCertificate:1")
			c.prepare(s, id, "example.com")
			c.accepted("ApplyCertificate", "InstanceId", id)
			a := c.detailUntil(id, func(a answer) bool { return a.text("Status") == status })
			task := c.accepted("GetTaskAttribute", "TaskId", id, "TaskType", "ApplyCertificate")
			if hasCertificate(a) || !strings.Contains(a.text("PendingResult"), "refused") || task.text("TaskStatus") != "failed" || task.text("TaskMessage") == "" {
				t.Errorf("%s %s", a.body, task.body)
			}
			c.issue2020(s, id, "example.com")
		})
	}
}

func TestAPendingInstanceIsSpoilt(t *testing.T) {
	first := func(a answer) map[string]any { return a.rows("DomainValidationList")[0] }
	for _, test := range []struct {
		kind    string
		isFault func(answer) bool
	}{
		{"unknown-status:GetInstanceDetail", func(a answer) bool { return a.text("Status") == "reviewing" }},
		{"early-normal", func(a answer) bool { return a.text("Status") == "normal" && !hasCertificate(a) }},                                        // fault 100
		{"no-proofs", func(a answer) bool { return a.text("Status") == "pending" && !hasProofs(a) }},                                               // fault 104
		{"proofs-twice", func(a answer) bool { return len(a.rows("DomainValidationList")) == 2 }},                                                  // fault 105
		{"proofs-per-name", func(a answer) bool { return len(a.rows("DomainValidationList")) == 2 }},                                               // fault 105
		{"proof-full-name", func(a answer) bool { return first(a)["ValidationKey"] == "_dnsauth.example.com" }},                                    // fault 105
		{"proof-at-apex", func(a answer) bool { return first(a)["ValidationKey"] == "@" }},                                                         // fault 105
		{"proof-under-name", func(a answer) bool { return first(a)["ValidationKey"] == "_dnsauth" }},                                               // fault 105
		{"proof-cname", func(a answer) bool { return first(a)["ValidationType"] == "CNAME" }},                                                      // fault 105
		{"empty-checkname:GetInstanceDetail", func(a answer) bool { return first(a)["ValidationKey"] == "" && first(a)["ValidationValue"] == "" }}, // fault 104
		{"hostile-checkname:GetInstanceDetail", func(a answer) bool { return first(a)["ValidationKey"] != "_dnsauth" }},                            // fault 84
		{"seconds", func(a answer) bool { return a.fields["OrderEndTime"].(float64) < 1e12 }},                                                      // fault 103
		{"numbers", func(a answer) bool { return len(a.text("OrderEndTime")) == 13 }},                                                              // fault 103
		{"nulls", func(a answer) bool { value, there := a.fields["CertificateId"]; return there && value == nil }},                                 // fault 103
		{"blanks", func(a answer) bool { return a.fields["CertificateId"] == "" && a.fields["InstanceEndTime"] == "" }},                            // fault 103
		{"forbidden:GetInstanceDetail", func(a answer) bool { return a.status == 403 }},                                                            // fault 13
	} {
		t.Run(test.kind, func(t *testing.T) {
			s, c, id := firstInstance(t, test.kind)
			c.prepare(s, id, "example.com", "www.example.com")
			c.accepted("ApplyCertificate", "InstanceId", id)
			c.cas2020("GetInstanceDetail", "InstanceId", id)
			if a := c.cas2020("GetInstanceDetail", "InstanceId", id); !test.isFault(a) {
				t.Errorf("no such fault: %s", a.body)
			}
		})
	}
}

func TestProofsOfEveryKindAreAccepted(t *testing.T) { // fault 105
	for _, kind := range []string{"proof-cname", "proof-at-apex", "proofs-per-name"} {
		t.Run(kind, func(t *testing.T) {
			s, c, id := firstInstance(t, kind)
			c.issue2020(s, id, "example.com", "a.example.com")
		})
	}
}

func TestARelativeKeyMayMeanTheNameUnderProof(t *testing.T) { // fault 105
	s, c := packed(t, "proof-under-name")
	order := c.orderFromPackage("www.example.com")
	a := c.stateUntil(order, "domain_verify")
	if a.text("RecordDomain") != "_dnsauth" || s.Orders()[0].CheckName != "_dnsauth.www.example.com" {
		t.Errorf("%s", a.body)
	}
	if _, err := s.AddRecord("example.com", "_dnsauth.www", "TXT", a.text("RecordValue")); err != nil {
		t.Fatal(err)
	}
	c.stateUntil(order, "certificate")
}

func TestProofsComeInTurn(t *testing.T) { // fault 105
	for kind, names := range map[string]string{"proofs-in-turn": "example.com,shop.example.com", "second-challenge": "example.com", "value-changes": "example.com"} {
		t.Run(kind, func(t *testing.T) {
			o := quick
			o.Zones, o.Faults = []string{"example.com", "shop.example.com"}, []Fault{{Kind: kind}}
			s := start(t, o)
			c := newClient(t, s)
			id := s.Subscriptions()[0].InstanceID
			c.prepare(s, id, strings.Split(names, ",")...)
			c.accepted("ApplyCertificate", "InstanceId", id)
			one := c.detailUntil(id, hasProofs)
			if len(one.rows("DomainValidationList")) != 1 {
				t.Fatalf("%s", one.body)
			}
			c.publish2020(s, one)
			c.detailUntil(id, func(a answer) bool { return len(a.rows("DomainValidationList")) == 2 })
			last := s.Orders()[0].Proofs[1]
			zone := enclosing(s.zones.hosted(), last.Name)
			if _, err := s.AddRecord(zone.name, relative(last.Name, zone.punycode), last.Type, last.Value); err != nil {
				t.Fatal(err)
			}
			c.detailUntil(id, hasCertificate)
		})
	}
}

func TestProofsStayAfterTheIssuance(t *testing.T) { // fault 104
	s, c, id := firstInstance(t, "proofs-stay")
	if a := c.issue2020(s, id, "example.com"); !hasProofs(a) {
		t.Errorf("%s", a.body)
	}
}

func TestCertificatesOfInstancesAreSpoilt(t *testing.T) {
	for _, test := range []struct {
		kind    string
		isFault func(Subscription) bool
	}{
		{"wrong-key", func(i Subscription) bool { return i.Certificates[0].KeyHash != i.KeyHash }},                       // fault 106
		{"names-missing", func(i Subscription) bool { return i.Certificates[0].Names[0] != "example.com" }},              // fault 106
		{"ends-early", func(i Subscription) bool { return time.Until(i.Certificates[0].NotAfter) <= time.Hour }},         // fault 26
		{"reissue-new-key", func(i Subscription) bool { return i.Certificates[1].KeyHash != i.Certificates[0].KeyHash }}, // fault 108
		{"checking-forever:ApplyCertificate:1", func(i Subscription) bool { return i.Status == "normal" }},               // fault 16
	} {
		t.Run(test.kind, func(t *testing.T) {
			s, c, id := firstInstance(t, test.kind)
			c.prepare(s, id, "example.com")
			c.accepted("ApplyCertificate", "InstanceId", id)
			if err := s.ForceOrder(id, "issued"); err != nil {
				t.Fatal(err)
			}
			if err := s.Reissue(id); err != nil {
				t.Fatal(err)
			}
			if got := s.Subscriptions()[0]; !test.isFault(got) {
				t.Errorf("no such fault: %+v", got)
			}
		})
	}
}

func TestTheTaskIsSpeltOtherwise(t *testing.T) {
	s, c, id := firstInstance(t, "task-words")
	if err := s.Apply(id, "example.com"); err != nil {
		t.Fatal(err)
	}
	task := []string{"TaskId", id, "TaskType", "ApplyCertificate"}
	if a := c.accepted("GetTaskAttribute", task...); a.text("TaskStatus") != "PENDING" {
		t.Errorf("%s", a.body)
	}
	c.detailUntil(id, hasProofs)
	if a := c.accepted("GetTaskAttribute", task...); a.text("TaskStatus") != "COMPLETED" {
		t.Errorf("%s", a.body)
	}
}

func TestListsOf2020AreSpoilt(t *testing.T) {
	for _, test := range []struct {
		spec, action, list string
		rows               int
	}{
		{"no-instances:ListInstances", "ListInstances", "InstanceList", 0},                                // fault 22
		{"omit-instance:ListInstances", "ListInstances", "InstanceList", 4},                               // fault 20
		{"ignore-page-size:ListInstances", "ListInstances", "InstanceList", 2},                            // fault 21
		{"omit-instance:ListUserCertificateOrder", "ListUserCertificateOrder", "CertificateOrderList", 1}, // fault 110
	} {
		t.Run(test.spec, func(t *testing.T) {
			s, c := packed(t, test.spec)
			for _, name := range []string{"a.example.com", "b.example.com"} {
				if _, err := s.OrderPackage(freeProduct, name); err != nil {
					t.Fatal(err)
				}
			}
			if rows := c.accepted(test.action).rows(test.list); len(rows) != test.rows {
				t.Errorf("%v", rows)
			}
		})
	}
}

func TestAnOrderTakesQuotaWithoutARow(t *testing.T) { // fault 110
	s, c := packed(t, "spend-without-order::1")
	csr, _ := newCSR(t, "example.com")
	if a := c.cas2020("CreateCertificateForPackageRequest", "Csr", csr); a.text("Code") != "InternalError" || s.Packages()[0].Used != 1 || len(s.PackageOrders()) != 0 {
		t.Errorf("%s %+v", a.body, s.Packages())
	}
	c.orderFromPackage("example.com")
}

func TestAnOrderFromAPackageIsSpoilt(t *testing.T) {
	s, c := packed(t)
	order := c.orderFromPackage("www.example.com")
	c.stateUntil(order, "domain_verify")
	for _, test := range []struct {
		kind, action string
		isFault      func(answer) bool
	}{
		{"unknown-status", "DescribeCertificateState", func(a answer) bool { return a.text("Type") == "reviewing" }},                                  // fault 18
		{"empty-checkname", "DescribeCertificateState", func(a answer) bool { return a.fields["RecordDomain"] == "" }},                                // fault 29
		{"proof-full-name", "DescribeCertificateState", func(a answer) bool { return a.text("RecordDomain") == "_dnsauth.example.com" }},              // fault 105
		{"other-product", "ListUserCertificateOrder", func(a answer) bool { return strings.Contains(string(a.body), "DIGICERT_FREE_1_FREE") }},        // fault 110
		{"seconds", "ListUserCertificateOrder", func(a answer) bool { return a.rows("CertificateOrderList")[0]["BuyDate"].(float64) < 1e12 }},         // fault 103
		{"blanks", "ListUserCertificateOrder", func(a answer) bool { return a.rows("CertificateOrderList")[0]["CertEndTime"] == "" }},                 // fault 103
		{"xml", "DescribeCertificateState", func(a answer) bool { return strings.Contains(string(a.body), "<RecordDomain>_dnsauth</RecordDomain>") }}, // fault 30
	} {
		t.Run(test.kind, func(t *testing.T) {
			if err := s.SetFaults(Fault{Kind: test.kind}); err != nil {
				t.Fatal(err)
			}
			if a := c.cas2020(test.action, "OrderId", order); !test.isFault(a) {
				t.Errorf("no such fault: %s", a.body)
			}
		})
	}
	if err := s.SetFaults(Fault{Kind: "status-backwards"}); err != nil {
		t.Fatal(err)
	}
	if err := s.ForceOrder(s.PackageOrders()[0].InstanceID, "issued"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"certificate", "process"} { // fault 19
		if a := c.cas2020("DescribeCertificateState", "OrderId", order); a.text("Type") != want || (a.text("Certificate") != "") != (want == "certificate") {
			t.Errorf("read %d: %s", i, fmt.Sprint(a.fields["Type"]))
		}
	}
}

func TestAnAbsentValueIsAnEmptyElementOfXML(t *testing.T) { // fault 103
	_, c, id := firstInstance(t, "nulls", "xml")
	if a := c.detail(id); !strings.Contains(string(a.body), "<CertificateId/>") {
		t.Errorf("%s", a.body)
	}
}

func TestTheDetailOfACertificateIsSpoilt(t *testing.T) {
	s, c, id := firstInstance(t)
	certID := number(c.issue2020(s, id, "example.com").fields["CertificateId"])
	for kind, want := range map[string]int{
		"issued-without-certificate": 0, // fault 23
		"chain-missing":              1, // fault 27
		"key-in-certificate":         3, // fault 28
		"chain-doubled":              4, // fault 27
	} {
		t.Run(kind, func(t *testing.T) {
			if err := s.SetFaults(Fault{Kind: kind}); err != nil {
				t.Fatal(err)
			}
			a := c.accepted("GetUserCertificateDetail", "CertId", certID)
			if got, _ := blocks(a.text("Cert")); got != want {
				t.Errorf("%d blocks: %s", got, a.body)
			}
		})
	}
}
