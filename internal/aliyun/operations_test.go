package aliyun

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// own is what a request carries beside what every request carries.
func own(r request) map[string]string {
	common := []string{"AccessKeyId", "Action", "Format", "RegionId", "SecurityToken", "Signature", "SignatureMethod",
		"SignatureNonce", "SignatureType", "SignatureVersion", "Timestamp", "Version"}
	parameters := map[string]string{}
	for _, values := range []url.Values{r.Query, r.Body} {
		for name, value := range values {
			if !slices.Contains(common, name) && value[0] != "" {
				parameters[name] = value[0]
			}
		}
	}
	return parameters
}

// answers holds, by action, an answer of the documented shape.
var answers = map[string]string{
	"ListInstances":                      `{"RequestId":"R1","TotalCount":1,"CurrentPage":1,"ShowSize":50,"InstanceList":[{` + instanceFields + `}]}`,
	"GetInstanceDetail":                  `{"RequestId":"R1",` + instanceFields + `,` + detailFields + `}`,
	"UpdateInstance":                     `{"RequestId":"R1"}`,
	"ApplyCertificate":                   `{"RequestId":"R1"}`,
	"GetTaskAttribute":                   `{"RequestId":"R1","TaskStatus":"failed","TaskMessage":"the CA said no"}`,
	"CancelPendingCertificate":           `{"RequestId":"R1"}`,
	"ListContact":                        `{"RequestId":"R1","TotalCount":1,"ContactList":[` + contactRow + `]}`,
	"ListCertificates":                   `{"RequestId":"R1","TotalCount":1,"CertificateList":[` + storedRow + `]}`,
	"GetUserCertificateDetail":           storedDetail,
	"UploadUserCertificate":              `{"RequestId":"R1","CertId":7,"ResourceId":"cas-upload-7"}`,
	"ListUserCertificateOrder":           `{"RequestId":"R1","TotalCount":2,"CertificateOrderList":[` + orderRow + `,` + certificateRow + `]}`,
	"DescribePackageState":               `{"RequestId":"R1","ProductCode":"digicert-free-1-free","TotalCount":20,"UsedCount":3,"IssuedCount":2}`,
	"CreateCertificateForPackageRequest": `{"RequestId":"R1","OrderId":9}`,
	"CreateCertificateRequest":           `{"RequestId":"R1","OrderId":9}`,
	"DescribeCertificateState":           stateAnswer,
	"CancelOrderRequest":                 `{"RequestId":"R1"}`,
	"DeleteCertificateRequest":           `{"RequestId":"R1"}`,
	"CreateDVOrderAudit":                 `{"RequestId":"R1"}`,
	"DescribeDVOrderResult":              `{"RequestId":"R1","OrderStatus":"issued","Certificate":"C","PrivateKey":"K"}`,
	"DescribeOrderInstanceList":          `{"TotalCount":1,"OrderList":[{"Id":9,"InstanceId":"cas-1","Source":"BUY","Status":"PAYED","CertType":"DV"}]}`,
	"DescribeUserCertificateList":        `{"TotalCount":1,"CurrentPage":1,"ShowSize":50,"CertificateList":[` + row + `]}`,
	"DescribeUserCertificateDetail":      `{"RequestId":"R1","Id":7,"Name":"www","Common":"example.com","Expired":false,"BuyInAliyun":true,"Cert":"C","Key":"K"}`,
	"CreateUserCertificate":              `{"RequestId":"R1","CertId":7}`,
	"DeleteUserCertificate":              `{"RequestId":"R1"}`,
	"DescribeDomains": `{"TotalCount":1,"PageNumber":1,"Domains":{"Domain":[{"DomainName":"例子.com","PunyCode":"xn--fsqu00a.com",
		"DnsServers":{"DnsServer":["dns1.hichina.com","dns2.hichina.com"]}}]}}`,
	"DescribeDomainInfo": `{"RequestId":"R1","DomainName":"例子.com","PunyCode":"xn--fsqu00a.com","MinTtl":600,
		"DnsServers":{"DnsServer":["dns1.hichina.com","dns2.hichina.com"]}}`,
	"DescribeSubDomainRecords": records,
	"DescribeDomainRecords":    records,
	"AddDomainRecord":          `{"RequestId":"R1","RecordId":"42"}`,
	"DeleteDomainRecord":       `{"RequestId":"R1","RecordId":"42"}`,
}

const (
	row = `{"id":7,"name":"www","common":"example.com","fingerprint":"AB","issuer":"CA","orgName":"Org","province":"P","city":"C",
		"country":"CN","startDate":"2026-01-01","endDate":"2026-07-01","sans":"example.com,www.example.com","expired":true,"buyInAliyun":true}`
	records = `{"TotalCount":1,"PageNumber":1,"DomainRecords":{"Record":[{"DomainName":"example.com","RecordId":"42","RR":"_dnsauth",
		"Type":"TXT","Value":"token","Line":"default","TTL":600,"Status":"ENABLE","Locked":true}]}}`
)

func replyAsDocumented(_ int, r request) (int, string) { return 200, answers[r.get("Action")] }

func TestRequests(t *testing.T) {
	for operation, want := range map[string]map[string]string{
		"CreateDVOrderAudit":            {"InstanceId": "cas-1", "Domain": "example.com", "DomainVerifyType": "DNS"},
		"DescribeDVOrderResult":         {"InstanceId": "cas-1"},
		"DescribeOrderInstanceList":     {"StartIndex": "0"},
		"DescribeUserCertificateList":   {"CurrentPage": "1", "ShowSize": "50"},
		"DescribeUserCertificateDetail": {"CertId": "7"},
		"CreateUserCertificate":         {"Name": "www", "Cert": "cert", "Key": canaryKey},
		"DeleteUserCertificate":         {"CertId": "7"},
		"DescribeDomains":               {"PageNumber": "1", "PageSize": "100"},
		"DescribeDomainInfo":            {"DomainName": "example.com"},
		"DescribeSubDomainRecords": {"DomainName": "example.com", "SubDomain": "_dnsauth.example.com", "Type": "TXT",
			"PageNumber": "1", "PageSize": "500"},
		"DescribeDomainRecords": {"DomainName": "example.com", "RRKeyWord": "_dnsauth", "TypeKeyWord": "TXT",
			"PageNumber": "1", "PageSize": "500"},
		"AddDomainRecord":    {"DomainName": "example.com", "RR": "_dnsauth", "Type": "TXT", "Value": "token"},
		"DeleteDomainRecord": {"RecordId": "42"},
	} {
		version := map[bool]string{true: "2015-01-09", false: "2018-07-13"}[strings.Contains(operation, "Domain")]
		t.Run(operation, func(t *testing.T) { expectRequest(t, operation, version, want) })
	}
}

// expectRequest wants the operation to send one request with these parameters,
// those of CAS in the body alone.
func expectRequest(t *testing.T, operation, version string, want map[string]string) {
	t.Helper()
	cloud := newCloud(t, replyAsDocumented)
	if err := operations[operation](t.Context(), newTestClient(t, cloud.url)); err != nil {
		t.Fatal(err)
	}
	if calls := len(cloud.seen()); calls != 1 {
		t.Fatalf("%d calls", calls)
	}
	r := cloud.seen()[0]
	if got := own(r); !maps.Equal(got, want) {
		t.Errorf("parameters %v, want %v", got, want)
	}
	if r.Method != "POST" || r.get("Format") != "JSON" || r.get("RegionId") != "cn-hangzhou" || r.get("Action") != actionOf(operation) {
		t.Errorf("%s with %v", r.Method, r.Query)
	}
	if r.get("Version") != version {
		t.Errorf("version %s, want %s", r.get("Version"), version)
	}
	for name := range own(r) {
		if version != "2015-01-09" && r.Query.Has(name) {
			t.Errorf("%s is in the URL", name)
		}
	}
}

func TestARefusedPermissionNamesTheActionToGrant(t *testing.T) {
	for operation, call := range operations {
		cloud := newCloud(t, always(403, `{"Code":"NoPermission"}`))
		e := asOurs(t, call(t.Context(), newTestClient(t, cloud.url)))
		prefix := map[bool]string{true: "alidns", false: "yundun-cert"}[strings.Contains(operation, "Domain")]
		if want := "grant the RAM action " + prefix + ":" + actionOf(operation) + " "; !strings.HasPrefix(e.Hint, want) {
			t.Errorf("%s: %q does not begin with %q", operation, e.Hint, want)
		}
	}
}

func TestOrderCarriesEveryNameAndTheContact(t *testing.T) {
	cloud := newCloud(t, replyAsDocumented)
	id, err := newTestClient(t, cloud.url).CreateDVOrderAudit(t.Context(), Application{
		InstanceID: "cas-1", Domains: []string{"example.com", "*.example.com"}, VerifyType: "DNS",
		Contact: Contact{"张三", "13300000000", "ops@example.com", "zhejiang", "hangzhou"},
	})
	if err != nil || id != "R1" {
		t.Fatalf("got %q, %v", id, err)
	}
	want := map[string]string{"InstanceId": "cas-1", "Domain": "example.com,*.example.com", "DomainVerifyType": "DNS",
		"Username": "张三", "Mobile": "13300000000", "Email": "ops@example.com", "Province": "zhejiang", "City": "hangzhou"}
	if got := own(cloud.seen()[0]); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestAnswers(t *testing.T) {
	client := newTestClient(t, newCloud(t, replyAsDocumented).url)
	ctx := t.Context()
	expect := func(got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	result, err := client.DescribeDVOrderResult(ctx, "cas-1")
	expect(result, OrderResult{Status: "issued", Certificate: "C", PrivateKey: "K"}, err)
	certificates, err := client.DescribeUserCertificateList(ctx)
	expect(certificates, []Certificate{{ID: 7, Name: "www", Common: "example.com", Fingerprint: "AB", Issuer: "CA", OrgName: "Org",
		Province: "P", City: "C", Country: "CN", StartDate: "2026-01-01", EndDate: "2026-07-01",
		Sans: "example.com,www.example.com", Expired: true, BuyInAliyun: true}}, err)
	detail, err := client.DescribeUserCertificateDetail(ctx, 7)
	expect(detail, Certificate{ID: 7, Name: "www", Common: "example.com", BuyInAliyun: true, Cert: "C", Key: "K"}, err)
	zones, err := client.DescribeDomains(ctx)
	hosted := Domain{"例子.com", "xn--fsqu00a.com", []string{"dns1.hichina.com", "dns2.hichina.com"}}
	expect(zones, []Domain{hosted}, err)
	zone, err := client.DescribeDomainInfo(ctx, "xn--fsqu00a.com")
	expect(zone, hosted, err)
	found, err := client.DescribeDomainRecords(ctx, "example.com", "", "")
	expect(found, []Record{{RecordID: "42", Zone: "example.com", RR: "_dnsauth", Type: "TXT", Value: "token", Line: "default",
		Status: "ENABLE", TTL: 600, Locked: true}}, err)
	id, err := client.AddDomainRecord(ctx, Record{})
	expect(id, "42", err)
	certID, err := client.CreateUserCertificate(ctx, "www", "C", "K")
	expect(certID, int64(7), err)
}

func TestIssuedWithoutAPairIsNoError(t *testing.T) { // fault 23
	for _, body := range []string{`{"OrderStatus":"issued"}`, `{"OrderStatus":"issued","Certificate":"","PrivateKey":null}`} {
		got, err := newTestClient(t, newCloud(t, always(200, body)).url).DescribeDVOrderResult(t.Context(), "cas-1")
		if err != nil || !got.Status.Issued() || got.Certificate != "" {
			t.Errorf("%s gives %+v, %v", body, got, err)
		}
	}
}

func TestDetailWithoutAPairIsMalformed(t *testing.T) {
	for _, body := range []string{`{"RequestId":"R"}`, `{"RequestId":"R","Cert":"C"}`, `{"RequestId":"R","Key":"K"}`, `{"Cert":"","Key":""}`} {
		_, err := newTestClient(t, newCloud(t, always(200, body)).url).DescribeUserCertificateDetail(t.Context(), 7)
		if e := asOurs(t, err); e.Kind != Malformed {
			t.Errorf("%s gives %v (%s)", body, e, e.Kind)
		}
	}
}

func TestUploadWithoutCertIdIsLookedUpByName(t *testing.T) {
	const sample = `{"RequestId":"R","HostId":"cas.aliyuncs.com","Code":"200"}`
	for _, test := range []struct {
		name, list string
		id         int64
	}{
		{"the exact name counts", `{"TotalCount":2,"CertificateList":[{"id":6,"name":"www2"},{"id":7,"name":"www"}]}`, 7},
		{"another name does not", `{"TotalCount":1,"CertificateList":[{"id":6,"name":"www2"}]}`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, func(n int, r request) (int, string) {
				if r.get("Action") == "CreateUserCertificate" {
					return 200, sample
				}
				return 200, test.list
			})
			id, err := newTestClient(t, cloud.url).CreateUserCertificate(t.Context(), "www", "C", "K")
			if id != test.id {
				t.Errorf("id %d, want %d", id, test.id)
			}
			if test.id == 0 && asOurs(t, err).Kind != Unanswered {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDeleteOfARecordThatIsGoneSucceeds(t *testing.T) { // fault 48
	cloud := newCloud(t, always(400, `{"RequestId":"R","Code":"DomainRecordNotBelongToUser","Message":"no"}`))
	if err := newTestClient(t, cloud.url).DeleteDomainRecord(t.Context(), "42"); err != nil {
		t.Error(err)
	}
}

func TestManyCallersShareOneClient(t *testing.T) {
	var observed sync.Map
	cloud := newCloud(t, replyAsDocumented)
	client := newTestClient(t, cloud.url, func(c *Config) {
		c.Observe = func(call Call) { observed.Store(call, true) }
	})
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for name, call := range operations {
				if err := call(t.Context(), client); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	callers.Wait()
	nonces := map[string]bool{}
	for _, r := range cloud.seen() {
		nonces[r.get("SignatureNonce")] = true
	}
	if want := 32 * len(operations); len(cloud.seen()) != want || len(nonces) != want {
		t.Errorf("%d requests with %d nonces, want %d", len(cloud.seen()), len(nonces), want)
	}
}

func BenchmarkCall(b *testing.B) {
	client := newTestClient(b, newCloud(b, replyAsDocumented).url, func(c *Config) { c.RequestsPerSecond = 1 << 30 })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.DescribeDVOrderResult(b.Context(), "cas-1"); err != nil {
			b.Fatal(err)
		}
	}
}
