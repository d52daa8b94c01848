package sandbox

import (
	"fmt"
	"testing"
	"time"
)

func TestAnInstanceYieldsOneCertificateAfterAnother(t *testing.T) {
	s, c, id := firstInstance(t)
	first := c.issue2020(s, id, "example.com")
	c.prepare(s, id, "example.com")
	c.accepted("ApplyCertificate", "InstanceId", id)
	renewal := c.detailUntil(id, hasProofs)
	if renewal.text("Status") != "pending" || renewal.fields["CertificateId"] != first.fields["CertificateId"] || renewal.text("CertificateStatus") != "issued" {
		t.Errorf("while it is renewed: %s", renewal.body)
	}
	c.publish2020(s, renewal)
	second := c.detailUntil(id, func(a answer) bool { return a.text("Status") == "normal" })
	if second.fields["CertificateId"] == first.fields["CertificateId"] || second.fields["InstanceStartTime"] != first.fields["InstanceStartTime"] {
		t.Errorf("renewed: %s", second.body)
	}
	got := s.Subscriptions()[0]
	if len(got.Certificates) != 2 || got.Applications != 2 || s.Applied() != 2 || got.Certificates[0].KeyHash == got.Certificates[1].KeyHash || got.Certificates[0].HasKey {
		t.Errorf("%+v", got)
	}
	if life := got.Certificates[1].NotAfter.Sub(got.Certificates[1].NotBefore); life != longestOf2020 {
		t.Errorf("a certificate lives for %v", life)
	}
	if rows := s.Instances(); rows[0].Status != "Issued" || rows[0].Submissions != 0 {
		t.Errorf("as 2018-07-13 has it: %+v", rows[0])
	}
}

func TestNoCertificateOutlivesItsSubscription(t *testing.T) {
	s, c := faulty(t)
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	id := s.AddSubscription(Subscription{OrderEnd: end})
	c.issue2020(s, id, "example.com")
	if got := s.Certificates()[0].NotAfter; !got.Equal(end) {
		t.Errorf("it ends at %v, not at %v", got, end)
	}
}

func TestASubscriptionEndsInTheMiddleOfAnOrder(t *testing.T) { // fault 109
	s, c, id := firstInstance(t)
	c.prepare(s, id, "example.com")
	c.accepted("ApplyCertificate", "InstanceId", id)
	pending := c.detailUntil(id, hasProofs)
	if err := s.EndSubscription(id, time.Now()); err != nil {
		t.Fatal(err)
	}
	c.publish2020(s, pending)
	other := s.Subscriptions()[1].InstanceID
	c.issue2020(s, other, "b.example.com") // once this one is through, the first has been looked at too
	if a := c.detail(id); a.text("Status") != "expired" || hasCertificate(a) || hasProofs(a) {
		t.Errorf("%s", a.body)
	}
}

func TestTheStatusOfASubscription(t *testing.T) { // fault 109
	now := time.Now()
	s, c := faulty(t)
	for _, test := range []struct {
		name   string
		made   Subscription
		issued bool
		want   string
	}{
		{"as bought", Subscription{}, false, "inactive"},
		{"with a certificate", Subscription{}, true, "normal"},
		{"near its end", Subscription{OrderStart: now.Add(-99 * day), OrderEnd: now.Add(day)}, true, "willExpire"},
		{"near its end and unused", Subscription{OrderStart: now.Add(-99 * day), OrderEnd: now.Add(day)}, false, "inactive"},
		{"past its end", Subscription{OrderStart: now.Add(-99 * day), OrderEnd: now}, false, "expired"},
		{"given back", Subscription{Status: "refund"}, false, "refund"},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := s.AddSubscription(test.made)
			if test.issued {
				if err := s.Apply(id, "example.com"); err != nil {
					t.Fatal(err)
				}
				if err := s.ForceOrder(id, "issued"); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.detail(id).text("Status"); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestInstancesAreFilteredAndPaged(t *testing.T) {
	o := quick
	o.Instances, o.TestInstances = 12, 2
	s := start(t, o)
	c := newClient(t, s)
	mine := s.Subscriptions()[3].InstanceID
	if err := s.Apply(mine, "shop.example.com"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		pairs       []string
		total, rows int
	}{
		{"the first page", nil, 14, 10},
		{"the second page", []string{"CurrentPage", "2"}, 14, 4},
		{"a page past the last", []string{"CurrentPage", "3"}, 14, 0},
		{"a long page", []string{"ShowSize", "100"}, 14, 14},
		{"the tests", []string{"InstanceType", "TEST"}, 2, 2},
		{"the pending ones", []string{"Status", "pending"}, 1, 1},
		{"the unused ones that were bought", []string{"Status", "inactive", "InstanceType", "BUY", "CertificateType", "DV"}, 11, 10},
		{"by a part of the domain", []string{"Keyword", "shop.exam"}, 1, 1},
		{"by the id", []string{"Keyword", mine}, 1, 1},
		{"for organisations", []string{"CertificateType", "OV"}, 0, 0},
		{"by the brand", []string{"Brand", "DigiCert"}, 2, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := c.accepted("ListInstances", test.pairs...)
			if number(a.fields["TotalCount"]) != fmt.Sprint(test.total) || len(a.rows("InstanceList")) != test.rows {
				t.Errorf("%s", a.body)
			}
		})
	}
	if a := c.cas2020("ListInstances", "ShowSize", "101"); a.text("Code") != "InvalidParameter" {
		t.Errorf("a page of 101: %s", a.body)
	}
	if len(s.Instances()) != 12 {
		t.Errorf("2018-07-13 shows %d instances", len(s.Instances()))
	}
}

func TestBothVersionsShowTheSameInstance(t *testing.T) {
	s, c, id := firstInstance(t)
	c.submit(id, "example.com")
	if a := c.detail(id); a.text("Status") != "pending" {
		t.Errorf("submitted by 2018-07-13: %s", a.body)
	}
	other := s.Subscriptions()[1].InstanceID
	if err := s.Apply(other, "example.com"); err != nil {
		t.Fatal(err)
	}
	if a := c.result(other); a.text("OrderStatus") != "checking" || a.text("CheckName") != "_dnsauth.example.com" {
		t.Errorf("submitted by 2020-04-07: %s", a.body)
	}
}

func TestAVersionCanBeLeftOut(t *testing.T) { // fault 112
	for _, test := range []struct{ api, code2018, code2020 string }{
		{BothAPIs, "", ""}, {API2018, "", "InvalidVersion"}, {API2020, "InvalidVersion", ""},
	} {
		t.Run(test.api, func(t *testing.T) {
			c := newClient(t, start(t, Options{CASAPI: test.api}))
			if a := c.cas("DescribeOrderInstanceList", "StartIndex", "0"); a.text("Code") != test.code2018 {
				t.Errorf("%s", a.body)
			}
			if a := c.cas2020("ListInstances"); a.text("Code") != test.code2020 {
				t.Errorf("%s", a.body)
			}
		})
	}
	if _, err := Start(Options{CASAPI: "2020-06-19"}); err == nil {
		t.Error("a version that is none is taken")
	}
}

func TestAnInstanceRenewsByItself(t *testing.T) { // fault 108
	o := quick
	o.ReissueAfter = time.Millisecond
	s := start(t, o)
	c := newClient(t, s)
	hosted, other := s.Subscriptions()[0].InstanceID, s.Subscriptions()[1].InstanceID
	c.issue2020(s, other, "b.example.com")
	c.issue2020(s, hosted, "example.com")
	c.accepted("UpdateInstance", "InstanceId", hosted, "AutoReissue", "enable")
	eventually(t, func() bool { return len(s.Subscriptions()[0].Certificates) > 1 })
	certificates := s.Subscriptions()[0].Certificates
	if certificates[0].KeyHash != certificates[1].KeyHash || certificates[0].ID == certificates[1].ID {
		t.Errorf("%+v", certificates)
	}
	if got := s.Subscriptions()[1]; len(got.Certificates) != 1 || got.AutoReissue {
		t.Errorf("without hosting: %+v", got)
	}
	if err := s.Reissue(other); err != nil || len(s.Subscriptions()[1].Certificates) != 2 {
		t.Errorf("when told to: %v", err)
	}
	if err := s.Reissue(s.Subscriptions()[2].InstanceID); err == nil {
		t.Error("an instance without a certificate renews")
	}
}

func TestNamesOfTwoZonesWantTwoProofs(t *testing.T) { // fault 105
	o := quick
	o.Zones = []string{"example.com", "shop.example.com", "example.net"}
	s := start(t, o)
	c := newClient(t, s)
	id := s.Subscriptions()[0].InstanceID
	c.prepare(s, id, "www.example.com", "a.shop.example.com", "b.example.com", "example.net")
	c.accepted("ApplyCertificate", "InstanceId", id)
	var got string
	pending := c.detailUntil(id, hasProofs)
	for _, row := range pending.rows("DomainValidationList") {
		got += fmt.Sprint(row["RootDomain"], " ", row["ValidationKey"], "; ")
	}
	if want := "example.com _dnsauth; example.com _dnsauth.shop; example.net _dnsauth; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, p := range s.Orders()[0].Proofs {
		zone := enclosing(s.zones.hosted(), p.Name)
		if _, err := s.AddRecord(zone.name, relative(p.Name, zone.punycode), p.Type, p.Value); err != nil {
			t.Fatal(err)
		}
	}
	c.detailUntil(id, hasCertificate)
}

func TestContactsAreFound(t *testing.T) { // fault 113
	s := start(t, Options{Contacts: []Contact{{Name: "Li Si", Mobile: "139", Email: "li@example.com"}, {Name: "Wang Wu", Mobile: "138"}}})
	c := newClient(t, s)
	s.AddContact(Contact{Name: "Li Lei", Mobile: "137"})
	for keyword, want := range map[string]int{"": 3, "li": 2, "139": 1, "nobody": 0} {
		if rows := c.accepted("ListContact", "Keyword", keyword).rows("ContactList"); len(rows) != want {
			t.Errorf("%q finds %v", keyword, rows)
		}
	}
	if none := start(t, Options{Contacts: []Contact{}}); len(none.Contacts()) != 0 {
		t.Errorf("without any: %v", none.Contacts())
	}
	for text, want := range map[string]Contact{"A,1": {Name: "A", Mobile: "1"}, "A, 1, a@b": {Name: "A", Mobile: "1", Email: "a@b"}, "A": {}, "A,1,2,3": {}, ",1": {}} {
		if got, err := ParseContact(text); got != want || (err == nil) != (want.Name != "") {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}

func TestAFileIsAskedForInItsOwnWords(t *testing.T) {
	s, c := packed(t)
	id := s.AddSubscription(Subscription{FullDomainCount: 2})
	c.prepare(s, id, "a.example.com", "b.example.com")
	c.accepted("UpdateInstance", "InstanceId", id, "ValidationMethod", "HTTP")
	c.accepted("ApplyCertificate", "InstanceId", id)
	rows := c.detailUntil(id, hasProofs).rows("DomainValidationList")
	if len(rows) != 2 || rows[0]["ValidationType"] != "HTTP" || rows[0]["ValidationKey"] != ".well-known/pki-validation/fileauth.txt" || rows[1]["Domain"] != "b.example.com" {
		t.Errorf("%v", rows)
	}
	csr, _ := newCSR(t, "a.example.com")
	order := number(c.accepted("CreateCertificateForPackageRequest", "Csr", csr, "ValidateType", "FILE").fields["OrderId"])
	a := c.stateUntil(order, "domain_verify")
	if a.text("Uri") != "/.well-known/pki-validation/fileauth.txt" || a.text("Content") == "" || a.text("RecordDomain") != "" {
		t.Errorf("%s", a.body)
	}
}

func TestAnInstanceOfOneVersionAloneIsUnknownToTheOther(t *testing.T) {
	s, c := faulty(t)
	test, free := s.AddSubscription(Subscription{InstanceType: "TEST"}), s.AddInstance("FREE", "BUY", "PAYED", "")
	if a := c.result(test); a.status != 404 || a.text("Code") != "NotFound" {
		t.Errorf("a test in 2018-07-13: %s", a.body)
	}
	if a := c.cas2020("GetInstanceDetail", "InstanceId", free); a.status != 400 || a.text("Code") != "NotFound" {
		t.Errorf("a free one in 2020-04-07: %s", a.body)
	}
	spent := s.Subscriptions()[0].InstanceID
	if err := s.CloseSubscription(spent, "refund"); err != nil {
		t.Fatal(err)
	}
	if a := c.cas("CreateDVOrderAudit", append([]string{"InstanceId", spent, "Domain", "example.com"}, contact...)...); a.text("Code") != "OrderStateError" {
		t.Errorf("one that was given back: %s", a.body)
	}
}

func TestAWildcardInstanceBringsTheApexByItself(t *testing.T) { // fault 114
	s, c := faulty(t)
	id := s.AddSubscription(Subscription{WildcardDomainCount: 1})
	both, _ := newCSR(t, "*.example.com", "example.com")
	if a := c.cas2020("UpdateInstance", "InstanceId", id, "GenerateCsrMethod", "upload", "Csr", both); a.text("Code") != "DomainAndProductNotMatch" {
		t.Errorf("with the apex: %s", a.body)
	}
	c.issue2020(s, id, "*.example.com")
	if got := fmt.Sprint(s.Certificates()[0].Names); got != "[*.example.com example.com]" {
		t.Errorf("the names are %s", got)
	}
}

func TestAnOrganisationIsReviewedUntilItIsForced(t *testing.T) {
	s, c := faulty(t)
	id := s.AddSubscription(Subscription{CertificateType: "OV"})
	c.accepted("UpdateInstance", "InstanceId", id, "CompanyId", "7")
	c.prepare(s, id, "example.com")
	c.accepted("ApplyCertificate", "InstanceId", id)
	c.publish2020(s, c.detailUntil(id, hasProofs))
	c.issue2020(s, s.Subscriptions()[0].InstanceID, "b.example.com") // once this one is through, the first has been looked at too
	if a := c.detail(id); a.text("Status") != "pending" || number(a.fields["CompanyId"]) != "7" {
		t.Errorf("%s", a.body)
	}
	if err := s.ForceOrder(id, "issued"); err != nil || !hasCertificate(c.detail(id)) {
		t.Errorf("forced: %v", err)
	}
}

func TestCAAIsObeyedForInstances(t *testing.T) { // fault 49
	s, c, id := firstInstance(t)
	if err := addCAA("issue", "other.example")(s); err != nil {
		t.Fatal(err)
	}
	c.prepare(s, id, "example.com")
	c.accepted("ApplyCertificate", "InstanceId", id)
	c.publish2020(s, c.detailUntil(id, hasProofs))
	if a := c.detailUntil(id, func(a answer) bool { return a.text("Status") == "normal" }); hasCertificate(a) {
		t.Errorf("%s", a.body)
	}
}

func TestAnApplicationIsNotWithdrawnInItsFirstMoments(t *testing.T) {
	o := quick
	o.IssueAfter = time.Hour
	s := start(t, o)
	c := newClient(t, s)
	id := s.Subscriptions()[0].InstanceID
	if err := s.Apply(id, "example.com"); err != nil {
		t.Fatal(err)
	}
	if a := c.cas2020("CancelPendingCertificate", "InstanceId", id); a.text("Code") != "OperationDenied.StatusNotSupport" {
		t.Errorf("%s", a.body)
	}
}

func TestARenewalByTheAccountMeetsItsFate(t *testing.T) { // faults 101 and 108
	s, c, id := firstInstance(t)
	first := c.issue2020(s, id, "example.com")
	if err := s.SetFaults(Fault{Kind: "check-fail"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reissue(id); err != nil {
		t.Fatal(err)
	}
	refused := func(a answer) bool { return a.text("Status") == "normal" && a.text("PendingResult") != "issued" }
	if a := c.detailUntil(id, refused); a.fields["CertificateId"] != first.fields["CertificateId"] {
		t.Errorf("%s", a.body)
	}
}

func TestAnAliasIsNoTXTRecord(t *testing.T) {
	s, c, id := firstInstance(t)
	c.prepare(s, id, "example.com")
	c.accepted("ApplyCertificate", "InstanceId", id)
	proof := c.detailUntil(id, hasProofs).rows("DomainValidationList")[0]
	if _, err := s.AddRecord("example.com", "_dnsauth", "CNAME", fmt.Sprint(proof["ValidationValue"])); err != nil {
		t.Fatal(err)
	}
	other := s.AddSubscription(Subscription{})
	if err := s.SetFaults(Fault{Kind: "proofs-per-name"}); err != nil {
		t.Fatal(err)
	}
	c.issue2020(s, other, "b.example.com") // once this one is through, the first has been looked at too
	if a := c.detail(id); a.text("Status") != "pending" {
		t.Errorf("%s", a.body)
	}
}
