package aliyun

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Fields as they are documented; the answers around them stand beside those of
// the other operations.
const (
	instanceFields = `"InstanceId":"cas_dv-cn-1","InstanceType":"BUY","CertificateType":"DV","Brand":"WoSign","Spec":"ws.dv.m",
		"Status":"pending","PendingResult":"pending","AutoReissue":"enable","Domain":"example.com,www.example.com",
		"FullDomainCount":2,"WildcardDomainCount":1,"KeyAlgorithm":"ECC_256","InstanceStartTime":1769817600000,
		"InstanceEndTime":1801353600000,"OrderStartTime":1769731200000,"OrderEndTime":1801267200000,"CertificateId":7,
		"CertIdentifier":"7-cn-hangzhou","CertificateName":"www","CertificateStatus":"issued",
		"CertificateNotBefore":1769817600000,"CertificateNotAfter":1787011200000`
	detailFields = `"Csr":"C","GenerateCsrMethod":"upload","ValidationMethod":"DNS","ContactIdList":[21,22],"DomainValidationList":[
		{"Domain":"www.example.com","RootDomain":"example.com","ValidationType":"TXT","ValidationKey":"_dnsauth.www","ValidationValue":"v1","Cname":"","CnameKey":""},
		{"Domain":"example.com","RootDomain":"example.com","ValidationType":"CNAME","ValidationKey":"_dnsauth","ValidationValue":"v2"}]`
	contactRow = `{"ContactId":21,"Name":"张三","Email":"ops@example.com","Mobile":"13300000000","EmailStatus":1,"MobileStatus":1}`
	storedRow  = `{"CertificateId":"7","CertIdentifier":"7-cn-hangzhou","CertificateName":"www","InstanceId":"cas_dv-cn-1",
		"CertificateSource":"BUY","CertificateStatus":"issued","CommonName":"example.com","FingerPrint":"AB","Domain":"example.com,www.example.com",
		"NotBefore":1769817600000,"NotAfter":1787011200000,"ExistPrivateKey":true}`
	storedDetail = `{"RequestId":"R1","Id":7,"CertIdentifier":"7-cn-hangzhou","InstanceId":"cas_dv-cn-1","OrderId":9,"Name":"www",
		"Common":"example.com","Sans":"example.com,www.example.com","Fingerprint":"AB","SerialNo":"0A1B","Issuer":"CA","OrgName":"Org",
		"NotBefore":1769817600000,"NotAfter":1787011200000,"BuyInAliyun":true,"Expired":false,"Cert":"C","Key":"K"}`
	orderRow = `{"InstanceId":"cas-ivauto-1","OrderId":9,"Status":"CHECKING","Domain":"example.com,www.example.com",
		"ProductCode":"geotrust-dv-1-starter","ProductName":"GeoTrust DV","CertType":"DV","BuyDate":1769731200000,
		"CertStartTime":1769817600000,"CertEndTime":1787011200000}`
	certificateRow = `{"InstanceId":"cas-upload-1","Status":"EXPIRED","CertificateId":8,"Name":"www","CommonName":"example.com","Sans":"example.com,www.example.com",
		"Fingerprint":"AB","SerialNo":"0A1B","Issuer":"CA","StartDate":"2026-01-31","EndDate":"2026-08-18","Expired":true,"Upload":true}`
	stateAnswer = `{"RequestId":"R1","Type":"domain_verify","ValidateType":"DNS","RecordDomain":"_dnsauth","RecordType":"TXT","RecordValue":"v1",
		"Domain":"","Uri":"","Content":"","CertId":"7","Certificate":"C","PrivateKey":"K"}`
)

var (
	names     = []string{"example.com", "www.example.com"}
	purchased = time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC)
	begun     = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	ended     = time.Date(2026, 8, 18, 0, 0, 0, 0, time.UTC)
)

func documentedInstance() Instance2020 {
	return Instance2020{InstanceID: "cas_dv-cn-1", InstanceType: "BUY", CertificateType: "DV", Brand: "WoSign", Spec: "ws.dv.m",
		Status: "pending", PendingResult: "pending", AutoReissue: true, Domains: names, FullDomainCount: 2, WildcardDomainCount: 1,
		KeyAlgorithm: "ECC_256", InstanceStart: begun, InstanceEnd: begun.AddDate(1, 0, 0), OrderStart: purchased,
		OrderEnd: purchased.AddDate(1, 0, 0), CertificateID: 7, CertIdentifier: "7-cn-hangzhou", CertificateName: "www",
		CertificateStatus: "issued", NotBefore: begun, NotAfter: ended}
}

func documentedDetail() InstanceDetail {
	return InstanceDetail{Instance2020: documentedInstance(), CSR: "C", GenerateCSRMethod: "upload", ValidationMethod: "DNS",
		ContactIDs: []int64{21, 22}, Validations: []Validation{{"www.example.com", "example.com", "TXT", "_dnsauth.www", "v1"},
			{"example.com", "example.com", "CNAME", "_dnsauth", "v2"}}}
}

func TestRequestsOf2020(t *testing.T) {
	with := func(parameters map[string]string, more ...string) map[string]string {
		for i := 0; i < len(more); i += 2 {
			parameters[more[i]] = more[i+1]
		}
		return parameters
	}
	instance := func(more ...string) map[string]string { return with(map[string]string{"InstanceId": "cas-1"}, more...) }
	paged := func(more ...string) map[string]string {
		return with(map[string]string{"CurrentPage": "1", "ShowSize": "50"}, more...)
	}
	order := func(more ...string) map[string]string {
		return with(map[string]string{"ProductCode": "geotrust-dv-1-starter", "Domain": "example.com,www.example.com", "ValidateType": "DNS",
			"Username": "张三", "Phone": "13300000000", "Email": "ops@example.com",
			"Tags.1.Key": "by", "Tags.1.Value": "dvagent", "Tags.2.Key": "order", "Tags.2.Value": "42"}, more...)
	}
	for operation, want := range map[string]map[string]string{
		"ListInstances":     paged("ShowSize", "100", "Status", "inactive", "CertificateType", "DV", "InstanceType", "BUY", "Keyword", "example"),
		"GetInstanceDetail": instance(),
		"UpdateInstance": instance("Domain", "example.com,www.example.com", "Csr", canaryCSR, "GenerateCsrMethod", "upload",
			"KeyAlgorithm", "ECC_256", "ValidationMethod", "DNS", "ContactIdList.1", "21", "ContactIdList.2", "22",
			"AutoReissue", "disable", "CertificateName", "www"),
		"ApplyCertificate":         instance(),
		"GetTaskAttribute":         {"TaskId": "cas-1", "TaskType": "ApplyCertificate"},
		"CancelPendingCertificate": instance(),
		"ListContact":              paged(),
		"ListCertificates": paged("InstanceId", "cas-1", "CertificateSource", "UPLOAD", "CertificateStatus", "issued",
			"Keyword", "example"),
		"GetUserCertificateDetail":           {"CertId": "7"},
		"UploadUserCertificate":              {"Name": "www", "Cert": "cert", "Key": canaryKey},
		"DeleteUserCertificate2020":          {"CertId": "7"},
		"ListUserCertificateOrder":           paged("OrderType", "CPACK", "Status", "CHECKING", "Keyword", "example"),
		"DescribePackageState":               {"ProductCode": "digicert-free-1-free"},
		"CreateCertificateForPackageRequest": order("Csr", canaryCSR),
		"CreateCertificateRequest":           order(),
		"DescribeCertificateState":           {"OrderId": "9"},
		"CancelOrderRequest":                 {"OrderId": "9"},
		"DeleteCertificateRequest":           {"OrderId": "9"},
	} {
		t.Run(operation, func(t *testing.T) { expectRequest(t, operation, "2020-04-07", want) })
	}
}

func TestUpdateLeavesOutWhatIsToStay(t *testing.T) {
	cloud := newCloud(t, replyAsDocumented)
	id, err := newTestClient(t, cloud.url).UpdateInstance(t.Context(), "cas-1", InstanceSettings{AutoReissue: "enable"})
	if err != nil || id != "R1" {
		t.Fatalf("got %q, %v", id, err)
	}
	for name := range cloud.seen()[0].Body {
		if name != "InstanceId" && name != "AutoReissue" {
			t.Errorf("%s is sent", name)
		}
	}
}

func TestAnswersOf2020(t *testing.T) {
	client := newTestClient(t, newCloud(t, replyAsDocumented).url)
	ctx := t.Context()
	expect := func(got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	instances, err := client.ListInstances(ctx, InstanceFilter{})
	expect(instances, []Instance2020{documentedInstance()}, err)
	detail, err := client.GetInstanceDetail(ctx, "cas_dv-cn-1")
	expect(detail, documentedDetail(), err)
	id, err := client.ApplyCertificate(ctx, "cas_dv-cn-1")
	expect(id, "R1", err)
	task, err := client.GetTaskAttribute(ctx, "cas_dv-cn-1")
	expect(task, Task{"failed", "the CA said no"}, err)
	contacts, err := client.ListContact(ctx)
	expect(contacts, []ListedContact{{21, "张三", "ops@example.com", "13300000000"}}, err)
	stored, err := client.ListCertificates(ctx, CertificateFilter{})
	expect(stored, []ListedCertificate{{7, "7-cn-hangzhou", "www", "cas_dv-cn-1", "BUY", "issued", "AB", "example.com", names,
		begun, ended, true}}, err)
	certificate, err := client.GetUserCertificateDetail(ctx, 7)
	expect(certificate, CertificateDetail{ID: 7, CertIdentifier: "7-cn-hangzhou", InstanceID: "cas_dv-cn-1", OrderID: 9, Name: "www",
		Common: "example.com", Sans: names, Fingerprint: "AB", SerialNo: "0A1B", Issuer: "CA", OrgName: "Org",
		NotBefore: begun, NotAfter: ended, BuyInAliyun: true, Cert: "C", Key: "K"}, err)
	certID, err := client.UploadUserCertificate(ctx, "www", "C", "K")
	expect(certID, int64(7), err)
	orders, err := client.ListUserCertificateOrder(ctx, OrderFilter{})
	expect(orders, []CertificateOrder{
		{InstanceID: "cas-ivauto-1", OrderID: 9, Status: "CHECKING", Domains: names, ProductCode: "geotrust-dv-1-starter",
			ProductName: "GeoTrust DV", CertType: "DV", Bought: purchased, CertStart: begun, CertEnd: ended},
		{InstanceID: "cas-upload-1", Status: "EXPIRED", CertificateID: 8, Name: "www", CommonName: "example.com", Sans: names, Fingerprint: "AB",
			SerialNo: "0A1B", Issuer: "CA", StartDate: "2026-01-31", EndDate: "2026-08-18", Expired: true, Upload: true}}, err)
	stock, err := client.DescribePackageState(ctx, "")
	expect(stock, Package{"digicert-free-1-free", 20, 3, 2}, err)
	for _, create := range []func(context.Context, PackageApplication) (int64, error){
		client.CreateCertificateForPackageRequest, client.CreateCertificateRequest,
	} {
		orderID, err := create(ctx, PackageApplication{})
		expect(orderID, int64(9), err)
	}
	state, err := client.DescribeCertificateState(ctx, 9)
	expect(state, CertificateState{Type: "domain_verify", ValidateType: "DNS", RecordDomain: "_dnsauth", RecordType: "TXT",
		RecordValue: "v1", CertID: 7, Certificate: "C", PrivateKey: "K"}, err)
}

func TestInstanceFromManyShapes(t *testing.T) { // fault 30
	whole := answers["GetInstanceDetail"]
	number := regexp.MustCompile(`([:\[,])(\d+)`)
	fresh := InstanceDetail{Instance2020: Instance2020{InstanceID: "cas_dv-cn-1", Status: "inactive"}, Validations: []Validation{}}
	oneRecord := fresh
	oneRecord.Status = "pending"
	oneRecord.ContactIDs = []int64{21}
	oneRecord.Validations = []Validation{{"example.com", "example.com", "TXT", "@", "v1"}}
	for _, test := range []struct {
		name, body string
		want       InstanceDetail
	}{
		{"numbers as documented", whole, documentedDetail()},
		{"times in seconds", strings.ReplaceAll(whole, "00000,", "00,"), documentedDetail()},
		{"numbers in quotes", number.ReplaceAllString(whole, `$1"$2"`), documentedDetail()},
		{"names in lower camel", strings.NewReplacer(`"CertificateId"`, `"certificateId"`, `"DomainValidationList"`,
			`"domainValidationList"`, `"Status"`, `"status"`).Replace(whole), documentedDetail()},
		{"absent fields", `{"InstanceId":"cas_dv-cn-1","Status":"inactive"}`, fresh},
		{"the id is absent, too", `{"Status":"inactive"}`, fresh},
		{"nulls", `{"InstanceId":null,"Status":"inactive","CertificateId":null,"Domain":null,"Csr":null,"InstanceEndTime":null,
			"AutoReissue":null,"ContactIdList":null,"DomainValidationList":null,"FullDomainCount":null}`, fresh},
		{"empty texts", `{"InstanceId":"","Status":"inactive","CertificateId":"","Domain":"","Csr":"","InstanceEndTime":"",
			"AutoReissue":"","ContactIdList":"","DomainValidationList":"","FullDomainCount":""}`, fresh},
		{"empty arrays, and a list of nothing", `{"Status":"inactive","ContactIdList":[],"DomainValidationList":[null,{}]}`, fresh},
		{"XML", `<GetInstanceDetailResponse><InstanceId>cas_dv-cn-1</InstanceId><Status>pending</Status><ContactIdList>21</ContactIdList>
			<DomainValidationList><Domain>example.com</Domain><RootDomain>example.com</RootDomain><ValidationType>TXT</ValidationType>
			<ValidationKey>@</ValidationKey><ValidationValue>v1</ValidationValue></DomainValidationList></GetInstanceDetailResponse>`, oneRecord},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := newTestClient(t, newCloud(t, always(200, test.body)).url).GetInstanceDetail(t.Context(), "cas_dv-cn-1")
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestCertificateOfAnOwnKey(t *testing.T) {
	for _, body := range []string{`{"Id":7,"Cert":"C"}`, `{"Id":"7","Cert":"C","Key":""}`, `{"Id":7,"Cert":"C","Key":null,"NotAfter":""}`} {
		got, err := newTestClient(t, newCloud(t, always(200, body)).url).GetUserCertificateDetail(t.Context(), 7)
		if want := (CertificateDetail{ID: 7, Cert: "C"}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s gives %+v, %v", body, got, err)
		}
	}
}

func TestDetailWithoutACertificateIsMalformed(t *testing.T) {
	for _, body := range []string{`{"RequestId":"R"}`, `{"RequestId":"R","Id":7,"Key":"K"}`, `{"Cert":""}`, `{"Cert":null}`} {
		_, err := newTestClient(t, newCloud(t, always(200, body)).url).GetUserCertificateDetail(t.Context(), 7)
		if e := asOurs(t, err); e.Kind != Malformed || e.Operation != "GetUserCertificateDetail" {
			t.Errorf("%s gives %v (%s)", body, e, e.Kind)
		}
	}
}

func TestCreateWithoutAnIdMayHaveBeenApplied(t *testing.T) {
	for _, operation := range []string{"CreateCertificateForPackageRequest", "CreateCertificateRequest", "UploadUserCertificate"} {
		for _, value := range []string{`0`, `""`, `null`, `"none"`, `{}`} {
			cloud := newCloud(t, always(200, fmt.Sprintf(`{"RequestId":"R","OrderId":%s,"CertId":%s}`, value, value)))
			e := asOurs(t, operations[operation](t.Context(), newTestClient(t, cloud.url)))
			if !e.MayHaveBeenApplied() || e.Operation != operation || e.RequestID != "R" {
				t.Errorf("%s with the id %s: %v is %s", operation, value, e, e.Kind)
			}
		}
	}
}

func TestEveryPageOf2020IsRead(t *testing.T) { // fault 21
	lists := map[string]func(context.Context, *Client) (int, error){
		"InstanceList InstanceId": func(ctx context.Context, c *Client) (int, error) {
			rows, err := c.ListInstances(ctx, InstanceFilter{})
			return len(rows), err
		},
		"ContactList ContactId": func(ctx context.Context, c *Client) (int, error) {
			rows, err := c.ListContact(ctx)
			return len(rows), err
		},
		"CertificateList CertificateId": func(ctx context.Context, c *Client) (int, error) {
			rows, err := c.ListCertificates(ctx, CertificateFilter{Keyword: "x"})
			return len(rows), err
		},
		"CertificateOrderList OrderId": func(ctx context.Context, c *Client) (int, error) {
			rows, err := c.ListUserCertificateOrder(ctx, OrderFilter{})
			return len(rows), err
		},
		"CertificateOrderList CertificateId": func(ctx context.Context, c *Client) (int, error) {
			rows, err := c.ListUserCertificateOrder(ctx, OrderFilter{OrderType: "CERT"})
			return len(rows), err
		},
	}
	for fields, count := range lists {
		list, id, _ := strings.Cut(fields, " ")
		for _, most := range []int{50, 20} { // rows that the server puts into a page
			t.Run(fmt.Sprint(fields, ", ", most, " rows a page"), func(t *testing.T) {
				cloud := newCloud(t, func(_ int, r request) (int, string) {
					page, _ := strconv.Atoi(r.get("CurrentPage"))
					var rows []string
					for n := (page-1)*most + 1; n <= min(page*most, 105); n++ {
						rows = append(rows, fmt.Sprintf(`{%q:"%d"}`, id, n))
					}
					return 200, fmt.Sprintf(`{"TotalCount":"105","CurrentPage":%d,%q:[%s]}`, page, list, strings.Join(rows, ","))
				})
				rows, err := count(t.Context(), newTestClient(t, cloud.url))
				if err != nil || rows != 105 {
					t.Errorf("%d rows in %d calls, %v", rows, len(cloud.seen()), err)
				}
			})
		}
	}
}

func TestNothingToListIsNoError(t *testing.T) {
	for _, body := range []string{`{"TotalCount":0}`, `{"InstanceList":[]}`, `{"TotalCount":0,"InstanceList":null}`,
		`{"TotalCount":"0","InstanceList":""}`, `<R><TotalCount>0</TotalCount></R>`} {
		got, err := newTestClient(t, newCloud(t, always(200, body)).url).ListInstances(t.Context(), InstanceFilter{})
		if err != nil || len(got) != 0 {
			t.Errorf("%s gives %v, %v", body, got, err)
		}
	}
}
