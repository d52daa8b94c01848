package sandbox

import (
	"strings"
	"testing"
	"time"
)

func TestAnUploadIsRefused(t *testing.T) { // fault 115
	s := start(t, quick)
	c := newClient(t, s)
	cert, key := selfSigned(t, "example.com", time.Now().Add(time.Hour))
	expired, expiredKey := selfSigned(t, "example.com", time.Now().Add(-time.Hour))
	c.accepted("UploadUserCertificate", "Name", "taken", "Cert", cert, "Key", key)
	for _, test := range []struct{ name, code, called, cert, key string }{
		{"without a name", "MissingParameter", "", cert, key},
		{"with a name that has blanks", "InvalidParameter", "my name", cert, key},
		{"with a name of 64 characters", "InvalidParameter", strings.Repeat("n", 64), cert, key},
		{"under a name that is taken", "NameRepeat", "taken", cert, key},
		{"of what is no certificate", "CertificateFormatException", "a", "rubbish", key},
		{"of a certificate that has expired", "CertificateExpired", "a", expired, expiredKey},
		{"with another key", "KeyNotMatchCert", "a", cert, expiredKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := c.cas2020("UploadUserCertificate", "Name", test.called, "Cert", test.cert, "Key", test.key)
			if a.status != 400 || a.text("Code") != test.code {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	if len(s.Certificates()) != 1 {
		t.Errorf("%+v", s.Certificates())
	}
}

func TestACertificateInUseIsNotDeleted(t *testing.T) {
	s, c, id := firstInstance(t)
	c.issue2020(s, id, "example.com")
	certID := number(c.detail(id).fields["CertificateId"])
	if a := c.cas2020("DeleteUserCertificate", "CertId", certID); a.text("Code") != "InvalidStatus.DeleteProtection" {
		t.Errorf("%s", a.body)
	}
	for pairs, want := range map[string]int{
		"CertificateSource BUY": 1, "CertificateSource UPLOAD": 0, "CertificateStatus issued": 1, "CertificateStatus expired": 0, "Keyword example": 1, "InstanceId " + id: 1,
	} {
		if got := c.accepted("ListCertificates", strings.Fields(pairs)...).rows("CertificateList"); len(got) != want {
			t.Errorf("%s: %v", pairs, got)
		}
	}
	row := c.accepted("ListCertificates").rows("CertificateList")[0]
	if row["ExistPrivateKey"] != false || row["CertificateId"] != certID || row["Domain"] != "example.com,www.example.com" {
		t.Errorf("%v", row)
	}
}

func TestAnExpiredCertificateIsListedOnlyWhenAskedFor(t *testing.T) {
	s, c, id := firstInstance(t, "expired")
	if err := s.Apply(id, "example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.ForceOrder(id, "issued"); err != nil {
		t.Fatal(err)
	}
	for pairs, want := range map[string]int{"OrderType CERT": 0, "OrderType CERT Status EXPIRED": 1, "OrderType CERT Status ISSUED": 0} {
		if rows := c.accepted("ListUserCertificateOrder", strings.Fields(pairs)...).rows("CertificateOrderList"); len(rows) != want {
			t.Errorf("%s: %v", pairs, rows)
		}
	}
	a := c.detail(id)
	if a.text("CertificateStatus") != "expired" || a.text("Status") != "normal" {
		t.Errorf("%s", a.body)
	}
	c.accepted("DeleteUserCertificate", "CertId", number(a.fields["CertificateId"]))
}

func TestTheHistoryKeepsNoPrivateKey(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	c.cas2020("UploadUserCertificate", "Name", "a", "Cert", "x", "Key", "secret", "EncryptPrivateKey", "secret", "SignPrivateKey", "secret")
	for name, value := range s.History()[0].Params {
		if value == "secret" {
			t.Errorf("%s is in the history", name)
		}
	}
}

func TestARevokedCertificateIsShownAsSuchAndItsInstanceYieldsAnother(t *testing.T) {
	s, c, id := firstInstance(t)
	c.issue2020(s, id, "example.com")
	certID := number(c.detail(id).fields["CertificateId"])
	for _, refused := range [][2]string{{"other", certID}, {id, "1"}} {
		if a := c.cas2020("RevokeCertificate", "InstanceId", refused[0], "CertificateId", refused[1]); a.text("Code") != "NotFound" {
			t.Errorf("%q: %s", refused, a.body)
		}
	}
	c.accepted("RevokeCertificate", "InstanceId", id, "CertificateId", certID)
	if a := c.detail(id); a.text("CertificateStatus") != "revoked" || a.fields["CertificateRevokeTime"] == nil || a.text("Status") != "normal" {
		t.Errorf("%s", a.body)
	}
	if a := c.cas2020("RevokeCertificate", "InstanceId", id, "CertificateId", certID); a.text("Code") != "OperationDenied.StatusNotSupport" {
		t.Errorf("a second time: %s", a.body)
	}
	for pairs, want := range map[string]int{"CertificateStatus revoked": 1, "CertificateStatus issued": 0} {
		if rows := c.accepted("ListCertificates", strings.Fields(pairs)...).rows("CertificateList"); len(rows) != want {
			t.Errorf("%s: %v", pairs, rows)
		}
	}
	if rows := c.accepted("ListUserCertificateOrder", "OrderType", "CERT", "Status", "REVOKED").rows("CertificateOrderList"); len(rows) != 1 {
		t.Errorf("%v", rows)
	}
	c.issue2020(s, id, "example.com")
	if a := c.detail(id); a.text("CertificateStatus") != "issued" || number(a.fields["CertificateId"]) == certID {
		t.Errorf("%s", a.body)
	}
	c.accepted("DeleteUserCertificate", "CertId", certID)
}
