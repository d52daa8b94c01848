package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	cassdk "github.com/alibabacloud-go/cas-20200407/v4/client"
	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/tea"
)

// signatureAlgorithms are the names that Alibaba's client has for the two schemes.
var signatureAlgorithms = map[string]string{"ACS3-HMAC-SHA256": "ACS3-HMAC-SHA256", "HMAC-SHA1": "v2"}

// eachScheme runs a test with Alibaba's typed client, by each scheme that it signs by.
func eachScheme(t *testing.T, o Options, test func(*testing.T, *Sandbox, *cassdk.Client)) {
	for name, algorithm := range signatureAlgorithms {
		t.Run(name, func(t *testing.T) {
			s := start(t, o)
			key := s.Ready()
			client, err := cassdk.NewClient(&openapi.Config{
				AccessKeyId: new(key.AccessKeyID), AccessKeySecret: new(key.AccessKeySecret), Endpoint: new(host(s)),
				Protocol: new("http"), SignatureAlgorithm: new(algorithm), RegionId: new("cn-hangzhou"),
			})
			if err != nil {
				t.Fatal(err)
			}
			test(t, s, client)
		})
	}
}

// must is what a call of the typed client answered; one that fails ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(answer T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// refusedWith is the Code of a refusal in the typed client's error.
func refusedWith(err error) string {
	var refused *tea.SDKError
	if !errors.As(err, &refused) {
		return ""
	}
	return tea.StringValue(refused.Code)
}

// newCSR makes a request for names, and tells the hash of its key.
func newCSR(t *testing.T, names ...string) (text, hash string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names}, key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), keyHash(spki)
}

// detailUntil reads an instance until done says that it is there.
func detailUntil(t *testing.T, client *cassdk.Client, id *string, done func(*cassdk.GetInstanceDetailResponseBody) bool) *cassdk.GetInstanceDetailResponseBody {
	t.Helper()
	var last *cassdk.GetInstanceDetailResponseBody
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		last = must[*cassdk.GetInstanceDetailResponse](t)(client.GetInstanceDetail(&cassdk.GetInstanceDetailRequest{InstanceId: id})).Body
		if done(last) {
			return last
		}
	}
	t.Fatalf("%s does not get there: %v", *id, last)
	return nil
}

func TestAlibabasTypedClientTakesACertificateFromAnInstance(t *testing.T) {
	eachScheme(t, quick, func(t *testing.T, s *Sandbox, client *cassdk.Client) {
		contacts := must[*cassdk.ListContactResponse](t)(client.ListContact(&cassdk.ListContactRequest{Keyword: new("133")})).Body
		if len(contacts.ContactList) != 1 || *contacts.ContactList[0].Name != "Zhang San" {
			t.Fatalf("contacts: %v", contacts)
		}
		page := must[*cassdk.ListInstancesResponse](t)(client.ListInstances(&cassdk.ListInstancesRequest{Status: new("inactive"), CertificateType: new("DV"), ShowSize: new(int32(2))})).Body
		if *page.TotalCount != 5 || len(page.InstanceList) != 2 {
			t.Fatalf("instances: %v", page)
		}
		id := page.InstanceList[0].InstanceId
		csr, hash := newCSR(t, "www.example.com", "*.example.com")
		must[*cassdk.UpdateInstanceResponse](t)(client.UpdateInstance(&cassdk.UpdateInstanceRequest{
			InstanceId: id, Csr: &csr, GenerateCsrMethod: new("upload"), Domain: new("www.example.com,*.example.com"), AutoReissue: new("disable"),
			ContactIdList: []*int64{contacts.ContactList[0].ContactId}, Tags: []*cassdk.UpdateInstanceRequestTags{{TagKey: new("k"), TagValue: new("v")}},
		}))
		must[*cassdk.ApplyCertificateResponse](t)(client.ApplyCertificate(&cassdk.ApplyCertificateRequest{InstanceId: id}))
		if _, err := client.ApplyCertificate(&cassdk.ApplyCertificateRequest{InstanceId: id}); refusedWith(err) != "OperationDenied.StatusNotSupport" {
			t.Errorf("a second application: %v", err)
		}
		task := func() string {
			return *must[*cassdk.GetTaskAttributeResponse](t)(client.GetTaskAttribute(&cassdk.GetTaskAttributeRequest{TaskId: id, TaskType: new("ApplyCertificate")})).Body.TaskStatus
		}
		if got := task(); got != "processing" {
			t.Errorf("the task is %s", got)
		}
		pending := detailUntil(t, client, id, func(d *cassdk.GetInstanceDetailResponseBody) bool { return len(d.DomainValidationList) > 0 })
		proof := pending.DomainValidationList[0]
		if *pending.Status != "pending" || pending.CertificateId != nil || *pending.KeyAlgorithm != "ECC_256" || len(pending.Tags) != 1 ||
			*pending.ContactIdList[0] != *contacts.ContactList[0].ContactId || *proof.RootDomain != "example.com" || *proof.ValidationType != "TXT" || task() != "success" {
			t.Errorf("while pending: %v", pending)
		}
		if _, err := s.AddRecord(*proof.RootDomain, *proof.ValidationKey, *proof.ValidationType, *proof.ValidationValue); err != nil {
			t.Fatal(err)
		}
		done := detailUntil(t, client, id, func(d *cassdk.GetInstanceDetailResponseBody) bool { return d.CertificateId != nil })
		if *done.Status != "normal" || *done.CertificateStatus != "issued" || len(done.DomainValidationList) > 0 || *done.PendingResult != "issued" {
			t.Errorf("when issued: %v", done)
		}
		detail := must[*cassdk.GetUserCertificateDetailResponse](t)(client.GetUserCertificateDetail(&cassdk.GetUserCertificateDetailRequest{CertId: new(int64(*done.CertificateId))})).Body
		if detail.Key != nil || *detail.Sans != "www.example.com,*.example.com,example.com" || *detail.InstanceId != *id || len(detail.CertChain) != 2 {
			t.Errorf("the certificate: %v", detail)
		}
		if got := s.Subscriptions()[4]; got.Applications != 1 || got.KeyHash != hash || len(got.Certificates) != 1 || got.Certificates[0].KeyHash != hash {
			t.Errorf("as the sandbox has it: %+v", got)
		}
	})
}

func TestAlibabasTypedClientCancelsAnApplication(t *testing.T) {
	eachScheme(t, quick, func(t *testing.T, s *Sandbox, client *cassdk.Client) {
		id := s.Subscriptions()[0].InstanceID
		if _, err := client.CancelPendingCertificate(&cassdk.CancelPendingCertificateRequest{InstanceId: &id}); refusedWith(err) != "OperationDenied.StatusNotSupport" {
			t.Errorf("with nothing to cancel: %v", err)
		}
		if err := s.Apply(id, "example.com"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			_, err := client.CancelPendingCertificate(&cassdk.CancelPendingCertificateRequest{InstanceId: &id})
			return err == nil
		})
		left := detailUntil(t, client, &id, func(d *cassdk.GetInstanceDetailResponseBody) bool { return *d.Status == "normal" })
		if left.CertificateId != nil || left.DomainValidationList != nil {
			t.Errorf("%v", left)
		}
	})
}

func TestAlibabasTypedClientKeepsUploads(t *testing.T) {
	eachScheme(t, quick, func(t *testing.T, s *Sandbox, client *cassdk.Client) {
		cert, key := selfSigned(t, "example.com", time.Now().Add(time.Hour))
		upload := &cassdk.UploadUserCertificateRequest{Name: new("mine"), Cert: &cert, Key: &key}
		added := must[*cassdk.UploadUserCertificateResponse](t)(client.UploadUserCertificate(upload)).Body
		if _, err := client.UploadUserCertificate(upload); refusedWith(err) != "NameRepeat" {
			t.Errorf("the name again: %v", err)
		}
		rows := must[*cassdk.ListCertificatesResponse](t)(client.ListCertificates(&cassdk.ListCertificatesRequest{CertificateSource: new("UPLOAD")})).Body.CertificateList
		if len(rows) != 1 || *rows[0].CertificateName != "mine" || !*rows[0].ExistPrivateKey || *rows[0].InstanceId != *added.ResourceId {
			t.Errorf("%v", rows)
		}
		orders := must[*cassdk.ListUserCertificateOrderResponse](t)(client.ListUserCertificateOrder(&cassdk.ListUserCertificateOrderRequest{OrderType: new("UPLOAD")})).Body.CertificateOrderList
		if len(orders) != 1 || *orders[0].CertificateId != *added.CertId || !*orders[0].Upload {
			t.Errorf("%v", orders)
		}
		must[*cassdk.DeleteUserCertificateResponse](t)(client.DeleteUserCertificate(&cassdk.DeleteUserCertificateRequest{CertId: added.CertId}))
		if _, err := client.DeleteUserCertificate(&cassdk.DeleteUserCertificateRequest{CertId: added.CertId}); refusedWith(err) != "NotFound" {
			t.Errorf("deleted twice: %v", err)
		}
		for _, r := range s.History() {
			for name, value := range r.Params {
				if strings.Contains(value, "PRIVATE KEY") {
					t.Errorf("the history has a private key in %s", name)
				}
			}
		}
	})
}

func TestAlibabasTypedClientOrdersFromAPackage(t *testing.T) {
	o := quick
	o.Packages = []Package{{ProductCode: freeProduct, Total: 3}}
	eachScheme(t, o, func(t *testing.T, s *Sandbox, client *cassdk.Client) {
		csr, _ := newCSR(t, "www.example.com")
		first := must[*cassdk.CreateCertificateForPackageRequestResponse](t)(client.CreateCertificateForPackageRequest(
			&cassdk.CreateCertificateForPackageRequestRequest{Csr: &csr, Domain: new("www.example.com"), ValidateType: new("DNS")})).Body.OrderId
		second := must[*cassdk.CreateCertificateRequestResponse](t)(client.CreateCertificateRequest(
			&cassdk.CreateCertificateRequestRequest{Domain: new("example.com"), Username: new("a"), Phone: new("1"), Email: new("a@example.com"), ValidateType: new("DNS")})).Body.OrderId
		must[*cassdk.CreateCertificateWithCsrRequestResponse](t)(client.CreateCertificateWithCsrRequest(
			&cassdk.CreateCertificateWithCsrRequestRequest{Csr: &csr, Username: new("a"), Phone: new("1"), Email: new("a@example.com"), ValidateType: new("DNS")}))
		if _, err := client.CreateCertificateForPackageRequest(&cassdk.CreateCertificateForPackageRequestRequest{Csr: &csr}); refusedWith(err) != "InsufficientQuota" {
			t.Errorf("a fourth order: %v", err)
		}
		state := func(order *int64) *cassdk.DescribeCertificateStateResponseBody {
			return must[*cassdk.DescribeCertificateStateResponse](t)(client.DescribeCertificateState(&cassdk.DescribeCertificateStateRequest{OrderId: order})).Body
		}
		until := func(order *int64, kind string) {
			t.Helper()
			eventually(t, func() bool { return *state(order).Type == kind })
		}
		until(first, "domain_verify")
		if p := state(first); *p.RecordDomain != "_dnsauth" || *p.RecordType != "TXT" {
			t.Errorf("the proof: %v", p)
		} else if _, err := s.AddRecord("example.com", *p.RecordDomain, *p.RecordType, *p.RecordValue); err != nil {
			t.Fatal(err)
		}
		until(first, "certificate")
		if got := state(first); got.PrivateKey != nil && *got.PrivateKey != "" || !strings.Contains(*got.Certificate, "BEGIN CERTIFICATE") {
			t.Errorf("the certificate: %v", got)
		}
		until(second, "domain_verify")
		must[*cassdk.CancelOrderRequestResponse](t)(client.CancelOrderRequest(&cassdk.CancelOrderRequestRequest{OrderId: second}))
		until(second, "payed")
		must[*cassdk.DeleteCertificateRequestResponse](t)(client.DeleteCertificateRequest(&cassdk.DeleteCertificateRequestRequest{OrderId: second}))
		rows := must[*cassdk.ListUserCertificateOrderResponse](t)(client.ListUserCertificateOrder(&cassdk.ListUserCertificateOrderRequest{})).Body.CertificateOrderList
		if len(rows) != 2 || *rows[1].OrderId != *first || *rows[1].Status != "ISSUED" {
			t.Errorf("the rows: %v", rows)
		}
		stock := must[*cassdk.DescribePackageStateResponse](t)(client.DescribePackageState(&cassdk.DescribePackageStateRequest{})).Body
		if *stock.TotalCount != 3 || *stock.UsedCount != 3 || *stock.IssuedCount != 1 {
			t.Errorf("the package: %v", stock)
		}
	})
}
