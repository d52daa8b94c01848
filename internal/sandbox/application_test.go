package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"testing"
	"time"
)

// weakCSR is for a key of 1024 bits.
func weakCSR(t *testing.T) string {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// forgedCSR has a signature that is not by its key.
func forgedCSR(t *testing.T) string {
	text, _ := newCSR(t, "example.com")
	block, _ := pem.Decode([]byte(text))
	block.Bytes[len(block.Bytes)-1] ^= 1
	return string(pem.EncodeToMemory(block))
}

func TestAnUpdateIsRefused(t *testing.T) {
	s, c, id := firstInstance(t)
	csr, _ := newCSR(t, "example.com")
	two, _ := newCSR(t, "example.com", "www.example.com")
	single := s.AddSubscription(Subscription{InstanceType: "TEST"})
	pending := s.AddSubscription(Subscription{})
	if err := s.Apply(pending, "example.com"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		code  string
		pairs []string
	}{
		{"without an instance", "MissingParameter", []string{"InstanceId", ""}},
		{"of an unknown instance", "NotFound", []string{"InstanceId", "nobody"}},
		{"of a pending instance", "InvalidStatus.UpdateProtection", []string{"InstanceId", pending}},
		{"of a closed instance", "InvalidStatus.UpdateProtection", []string{"InstanceId", s.AddSubscription(Subscription{Status: "closed"})}},
		{"of an expired instance", "InvalidStatus.UpdateProtection", []string{"InstanceId", s.AddSubscription(Subscription{OrderEnd: time.Now()})}},
		{"with a CSR that is none", "InvalidParameter", []string{"GenerateCsrMethod", "upload", "Csr", "rubbish"}},
		{"with a CSR that another key signed", "InvalidParameter", []string{"GenerateCsrMethod", "upload", "Csr", forgedCSR(t)}},
		{"with a CSR for a short key", "InvalidParameter", []string{"GenerateCsrMethod", "upload", "Csr", weakCSR(t)}},
		{"with a Domain that is not the CSR's common name", "InvalidParameter", []string{"GenerateCsrMethod", "upload", "Csr", csr, "Domain", "www.example.com"}},
		{"with a CSR for more names than were bought", "DomainAndProductNotMatch", []string{"InstanceId", single, "GenerateCsrMethod", "upload", "Csr", two}}, // fault 114
		{"with a wildcard that was not bought", "DomainAndProductNotMatch", []string{"InstanceId", single, "Domain", "*.example.com"}},                        // fault 114
		{"with a name that is none", "InvalidParameter", []string{"Domain", "a..b"}},
		{"with an unknown contact", "InvalidParameter", []string{"ContactIdList.1", "1"}}, // fault 113
		{"with a contact that is no number", "InvalidParameter", []string{"ContactIdList.1", "ops"}},
		{"with an unknown way to make the CSR", "InvalidParameter", []string{"GenerateCsrMethod", "paper"}},
		{"with an unknown proof", "InvalidParameter", []string{"ValidationMethod", "EMAIL"}},
		{"with another algorithm", "InvalidParameter", []string{"KeyAlgorithm", "SM2"}},
		{"with hosting that is neither on nor off", "InvalidParameter", []string{"AutoReissue", "perhaps"}},
		{"with a company that is no number", "InvalidParameter", []string{"CompanyId", "x"}},
		{"with a tag of Alibaba's own", "InvalidParameter", []string{"Tags.1.TagKey", "acs:rm"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := c.cas2020("UpdateInstance", append([]string{"InstanceId", id}, test.pairs...)...)
			if a.status != 400 || a.text("Code") != test.code {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	if got := s.Subscriptions()[0]; got.Domain != "" || got.Status != "inactive" {
		t.Errorf("something was changed: %+v", got)
	}
}

func TestAnUpdateKeepsWhatIsNotSent(t *testing.T) {
	s, c, id := firstInstance(t)
	first := fmt.Sprint(s.Contacts()[0].ID)
	c.accepted("UpdateInstance", "InstanceId", id, "Domain", "old.example.com", "ContactIdList.1", first, "CertificateName", "mine", "Tags.1.TagKey", "k", "Tags.1.TagValue", "v")
	c.accepted("UpdateInstance", "InstanceId", id, "AutoReissue", "enable")
	a := c.detail(id)
	if a.text("Domain") != "old.example.com" || a.text("CertificateName") != "mine" || a.text("AutoReissue") != "enable" || a.text("GenerateCsrMethod") != "online" ||
		a.text("City") != "Beijing" || fmt.Sprint(a.fields["ContactIdList"]) == "" || a.rows("Tags")[0]["TagValue"] != "v" {
		t.Errorf("%s", a.body)
	}
	csr, _ := newCSR(t, "new.example.com")
	c.accepted("UpdateInstance", "InstanceId", id, "GenerateCsrMethod", "upload", "Csr", csr)
	if a := c.detail(id); a.text("Domain") != "new.example.com" || a.text("Csr") != csr || a.text("KeyAlgorithm") != "ECC_256" {
		t.Errorf("the CSR's common name is not the Domain: %s", a.body)
	}
	c.accepted("UpdateInstance", "InstanceId", id, "Domain", "new.example.com,www.example.com")
	if a := c.detail(id); a.text("Domain") != "new.example.com,www.example.com" || a.text("Csr") != csr {
		t.Errorf("%s", a.body)
	}
}

func TestAnApplicationIsRefused(t *testing.T) {
	s, c, _ := firstInstance(t)
	contactID := fmt.Sprint(s.Contacts()[0].ID)
	complete := []string{"Domain", "example.com", "ContactIdList.1", contactID}
	for _, test := range []struct {
		name   string
		made   Subscription
		update []string
		then   func(id string) error
		code   string
	}{
		{"with nothing filled in", Subscription{}, nil, nil, "MissingParameter"},
		{"without a contact", Subscription{}, complete[:2], nil, "MissingParameter"}, // fault 113
		{"without a name", Subscription{}, complete[2:], nil, "MissingParameter"},
		{"without the CSR that is to be uploaded", Subscription{}, append([]string{"GenerateCsrMethod", "upload"}, complete...), nil, "MissingParameter"},
		{"for an organisation without a company", Subscription{CertificateType: "OV"}, complete, nil, "MissingParameter"},
		{"twice", Subscription{}, nil, func(id string) error { return s.Apply(id, "example.com") }, "OperationDenied.StatusNotSupport"},                            // fault 96
		{"after a refund", Subscription{}, complete, func(id string) error { return s.CloseSubscription(id, "refund") }, "OperationDenied.StatusNotSupport"},       // fault 109
		{"after the end", Subscription{}, complete, func(id string) error { return s.EndSubscription(id, time.Now()) }, "OperationDenied.StatusNotSupport"},        // fault 109
		{"of a closed instance", Subscription{}, complete, func(id string) error { return s.CloseSubscription(id, "closed") }, "OperationDenied.StatusNotSupport"}, // fault 109
	} {
		t.Run(test.name, func(t *testing.T) {
			id := s.AddSubscription(test.made)
			if test.update != nil {
				c.accepted("UpdateInstance", append([]string{"InstanceId", id}, test.update...)...)
			}
			if test.then != nil {
				if err := test.then(id); err != nil {
					t.Fatal(err)
				}
			}
			if a := c.cas2020("ApplyCertificate", "InstanceId", id); a.status != 400 || a.text("Code") != test.code {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestAKeyOfTheServiceIsAnsweredWithTheCertificate(t *testing.T) {
	for _, algorithm := range []string{"RSA_2048", "RSA_3072", "ECC_256"} { // RSA_4096 takes seconds
		t.Run(algorithm, func(t *testing.T) {
			s, c, id := firstInstance(t)
			c.accepted("UpdateInstance", "InstanceId", id, "Domain", "example.com", "KeyAlgorithm", algorithm, "ContactIdList.1", fmt.Sprint(s.Contacts()[0].ID))
			c.accepted("ApplyCertificate", "InstanceId", id)
			if err := s.ForceOrder(id, "issued"); err != nil {
				t.Fatal(err)
			}
			certID := number(c.detail(id).fields["CertificateId"])
			detail := c.accepted("GetUserCertificateDetail", "CertId", certID)
			read, err := newCertificate("", detail.text("Cert"), detail.text("Key"))
			if err != nil || keyAlgorithm(read.leaf.PublicKey) != algorithm {
				t.Errorf("%v: %s", err, detail.body)
			}
			filtered := c.accepted("GetUserCertificateDetail", "CertId", certID, "CertFilter", "true")
			if filtered.text("Cert") != "" || filtered.text("Key") != "" || filtered.text("Sans") != "example.com,www.example.com" {
				t.Errorf("%s", filtered.body)
			}
		})
	}
}
