package aliyun

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestCodes(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		kind   Kind
	}{
		{400, "MissingParameter", Refused}, {400, "InvalidVersion", VersionUnknown}, {400, "InvalidTimeStamp.Format", Refused},
		{400, "IncompleteSignature", Credential}, {400, "SignatureDoesNotMatch", Credential},
		{400, "SignatureNonceUsed", Replayed},       // fault 9
		{400, "InvalidTimeStamp.Expired", ClockOff}, // fault 10
		{404, "InvalidAction.NotFound", VersionUnknown},
		{404, "InvalidAccessKeyId.NotFound", Credential}, {400, "InvalidAccessKeyId.Inactive", Credential}, // fault 11
		{403, "Forbidden.AccessKeyDisabled", Credential},
		{400, "InvalidSecurityToken.Expired", Credential},                   // fault 12
		{403, "Forbidden.RAM", Forbidden}, {403, "NoPermission", Forbidden}, // fault 13
		{400, "Throttling", Throttled}, {400, "Throttling.User", Throttled}, {400, "Throttling.Api", Throttled}, // fault 7
		{400, "Rejected.Throttling", Throttled}, {429, "Anything", Throttled},
		{503, "ServiceUnavailable", Unavailable}, {500, "InternalError", Unavailable}, {400, "UnKnownError", Unavailable}, // fault 8
		{500, "Opaque", Unavailable}, {200, "500", Unavailable}, {200, "-1008", Refused},
		{404, "NotFound", NotFound}, {200, "NotFound", NotFound},
		{403, "OrderStateError", WrongState},
		{400, "LastOperationNotFinished", Busy}, {400, "DnsSystemBusyness", Busy}, {400, "RecordForbidden.DNSChange", Busy}, // fault 14
		{400, "DomainRecordDuplicate", Duplicate}, // fault 15
		{400, "DomainRecordConflict", Refused}, {400, "QuotaExceeded.TTL", Refused}, {400, "SubDomainInvalid.Value", Refused},
		{400, "InvalidRR.Format", Refused}, {400, "Forbidden.DomainExpired", Refused}, {400, "DomainForbidden", Refused},
		{400, "InvalidDomainName.NoExist", WrongZone}, {400, "InvalidDomainName.Suffix", WrongZone}, {400, "DomainNotExist", WrongZone},
		{400, "IncorrectDomainUser", WrongZone}, {400, "DomainAddedByOthers", WrongZone}, {400, "OperationDomain.NoPermission", WrongZone},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.code, " is ", test.kind), func(t *testing.T) {
			cloud := newCloud(t, always(test.status, fmt.Sprintf(`{"RequestId":"5D97","Code":%q,"Message":"no\n\u001b[31m","Recommend":"https://a"}`, test.code)))
			e := asOurs(t, operations["AddDomainRecord"](t.Context(), newTestClient(t, cloud.url)))
			if e.Kind != test.kind || e.Code != test.code || e.Status != test.status || e.RequestID != "5D97" {
				t.Errorf("%#v", e)
			}
			want := fmt.Sprintf(`AddDomainRecord: %s (%d): "no\n\x1b[31m" (request 5D97)`, test.code, test.status)
			if e.Error() != want {
				t.Errorf("Error() is %s, want %s", e, want)
			}
		})
	}
}

// CAS answers all of its own Codes with 400.
func TestCodesOfCertificates(t *testing.T) {
	const applied, refused, transient = 1, 2, 4 // what a caller is told beside the kind
	for kind, row := range map[Kind]struct {
		codes string
		told  int
	}{
		WrongState: {"InvalidStatus.UpdateProtection InvalidStatus.DeleteProtection OperationDenied.StatusNotSupport", refused},
		Unavailable: {"OperationDenied.SystemUpgrading InternalError DeductQuotaFailed FlowControlError",
			applied | transient},
		Exhausted:      {"InsufficientQuota", refused},
		NotFound:       {"NotFound InvalidInstanceId.NotFound", refused},
		Forbidden:      {"AccessDenied.NoAuth PermissionDenied Forbidden.RAM NoPermission", 0},
		Duplicate:      {"NameRepeat NameAlreadyExist AlreadyExists.Name", 0},
		Throttled:      {"Throttling.User", transient},
		VersionUnknown: {"InvalidVersion InvalidAction.NotFound", refused},
		Refused: {`DomainAndProductNotMatch MissingParameter InvalidParameter InvalidParameter.MobileIllegal DataTooLongException
			ParamRepeat DomainRepeat DomainAlreadyExist CreateOrderFailed CreateCsrFailed OrderExpired
			CertificateFormatException ParseCertificateFailed CertificateChainNotMatch CertificateExpired KeyNotMatchCert
			CertificatePrivateKey.Existed DecryptError CouldNotRefund.NotSupport CouldNotRefund.OverTime
			CouldNotRefund.InsufficientQuota DeployFailed DeployFailed.CertBackupFailed DeployFailed.InvalidCertPath
			DeployFailed.InvalidPrivatePath DeployFailed.InvalidCertChainPath ResourceAlreadyAssociated AlreadyExistsTry`, refused},
	} {
		for code := range strings.FieldsSeq(row.codes) {
			t.Run(fmt.Sprint(code, " is ", kind), func(t *testing.T) {
				cloud := newCloud(t, always(400, `{"RequestId":"R","Code":"`+code+`","Message":"m"}`))
				e := asOurs(t, operations["ApplyCertificate"](t.Context(), newTestClient(t, cloud.url)))
				told := 0
				if e.MayHaveBeenApplied() {
					told |= applied
				}
				if said, yes := e.Refused(); yes && said == code {
					told |= refused
				}
				if e.Transient() {
					told |= transient
				}
				if e.Kind != kind || told != row.told {
					t.Errorf("%v is %s and tells %b, want %s and %b", e, e.Kind, told, kind, row.told)
				}
			})
		}
	}
}

func TestRefusalsInOddShapes(t *testing.T) { // fault 30
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   Kind
		code   string
	}{
		{"a Code that is a number", 400, `{"RequestId":1,"Code":-1008,"Message":7}`, Refused, "-1008"},
		{"a Code that is a number, with 200", 200, `{"Code":404}`, Refused, "404"},
		{"an error in XML", 400, `<Error><RequestId>R</RequestId><Code>Throttling.User</Code><Message>m</Message></Error>`, Throttled, "Throttling.User"},
		{"names in lower case", 404, `{"requestId":"R","code":"NotFound","message":"m"}`, NotFound, "NotFound"},
		{"a detail that is a string", 403, `{"Code":"NoPermission","AccessDeniedDetail":"x"}`, Forbidden, "NoPermission"},
		{"a name that exists, in English", 400, `{"Code":"Odd","Message":"The certificate name already exists."}`, Duplicate, "Odd"},
		{"a name that exists, in Chinese", 200, `{"Code":"Odd","Message":"名称重复，请重新输入。"}`, Duplicate, "Odd"},
		{"a proxy's page for 502", 502, `<html><body>Bad Gateway</body></html>`, Unavailable, ""},
		{"nothing with 503", 503, ``, Unavailable, ""},
		{"nothing with 429", 429, ``, Throttled, ""},
		{"a page for 404", 404, `<html><body>Not Found</body></html>`, Unanswered, ""},
		{"500 with a Code of success", 500, `{"Code":"200"}`, Unavailable, "200"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, always(test.status, test.body))
			e := asOurs(t, operations["CreateUserCertificate"](t.Context(), newTestClient(t, cloud.url)))
			if e.Kind != test.kind || e.Code != test.code {
				t.Errorf("%v is %s with Code %q", e, e.Kind, e.Code)
			}
		})
	}
}

func TestSuccessCodes(t *testing.T) {
	for _, code := range []string{`null`, `""`, `200`, `"200"`, `"OK"`, `"Success"`, `"success"`} {
		cloud := newCloud(t, always(200, `{"RequestId":"R","Code":`+code+`}`))
		if err := operations["DeleteUserCertificate"](t.Context(), newTestClient(t, cloud.url)); err != nil {
			t.Errorf("Code %s: %v", code, err)
		}
	}
}

func TestHints(t *testing.T) {
	for _, test := range []struct{ operation, code, want string }{
		{"AddDomainRecord", "Forbidden.RAM", "alidns:AddDomainRecord"},
		{"CreateDVOrderAudit", "NoPermission", "yundun-cert:CreateDVOrderAudit"},
		{"AddDomainRecord", "IncorrectDomainUser", "dns_account"},
		{"AddDomainRecord", "SignatureDoesNotMatch", "secret"},
		{"AddDomainRecord", "Throttling.User", "requests_per_second"},
		{"AddDomainRecord", "QuotaExceeded.TTL", "dns.ttl"},
		{"AddDomainRecord", "DomainRecordConflict", "CNAME"},
		{"AddDomainRecord", "InvalidAction.NotFound", "endpoint"},
		{"CreateDVOrderAudit", "InvalidVersion", "2018-07-13"},
		{"UpdateInstance", "Forbidden.RAM", "yundun-cert:UpdateInstance"},
		{"DeleteUserCertificate2020", "NoPermission", "yundun-cert:DeleteUserCertificate "},
		{"ApplyCertificate", "MissingParameter", "contact"},
		{"UpdateInstance", "MissingParameter", ""},
		{"UploadUserCertificate", "KeyNotMatchCert", "key"},
		{"UploadUserCertificate", "CertificateChainNotMatch", "chain"},
		{"UpdateInstance", "AccessDenied.NoAuth", "yundun-cert:UpdateInstance"},
		{"UpdateInstance", "PermissionDenied", "yundun-cert:UpdateInstance"},
		{"CreateCertificateForPackageRequest", "InsufficientQuota", "instance"},
		{"UpdateInstance", "DomainAndProductNotMatch", "wildcards"},
		{"CreateCertificateRequest", "InvalidParameter.MobileIllegal", "mobile"},
		{"UpdateInstance", "FlowControlError", "requests_per_second"},
	} {
		cloud := newCloud(t, always(403, `{"Code":"`+test.code+`"}`))
		e := asOurs(t, operations[test.operation](t.Context(), newTestClient(t, cloud.url)))
		if !strings.Contains(e.Hint, test.want) || (test.want == "") != (e.Hint == "") || e.OperatorHint() != e.Hint {
			t.Errorf("%s: hint %q, want %q in it", test.code, e.Hint, test.want)
		}
	}
}

func TestHintSaysHowFarTheClockIsOff(t *testing.T) { // fault 10
	for shift, want := range map[time.Duration]string{
		time.Hour: "behind the server's", -time.Hour: "ahead of the server's", 0: "shows no other time",
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			w.Header()["Date"] = nil
			if shift != 0 {
				w.Header().Set("Date", time.Now().Add(shift).UTC().Format(http.TimeFormat))
			}
			w.WriteHeader(400)
			w.Write([]byte(`{"Code":"InvalidTimeStamp.Expired"}`))
		}))
		_, err := newTestClient(t, server.URL).DescribeDomains(t.Context())
		server.Close()
		e := asOurs(t, err)
		if !strings.Contains(e.Hint, want) || shift != 0 && !strings.Contains(e.Hint, "1h0m") && !strings.Contains(e.Hint, "59m5") {
			t.Errorf("%s off: hint %q", shift, e.Hint)
		}
		if requests != 1 || e.Transient() {
			t.Errorf("%d requests, transient %t", requests, e.Transient())
		}
	}
}

// Servers repeat what they were sent: in the message, in the string that they
// would have signed, in the code.
func TestNoErrorRepeatsASecret(t *testing.T) {
	for name, echo := range map[string]func(r request) string{
		"the key id":        func(r request) string { return "unknown key " + r.get("AccessKeyId") },
		"the secret":        func(request) string { return "is it " + canarySecret },
		"the token":         func(r request) string { return "token " + r.get("SecurityToken") },
		"the signature":     func(r request) string { return "got " + r.get("Signature") },
		"the query":         func(r request) string { return "query " + r.Query.Encode() },
		"the body":          func(r request) string { return "body " + r.Body.Encode() },
		"a line of the key": func(r request) string { return "cannot parse " + strings.Split(r.get("Key")+"\n\n", "\n")[1] },
		"a line of the CSR": func(r request) string { return "cannot parse " + strings.Split(r.get("Csr")+"\n\n", "\n")[1] },
		"the CSR":           func(r request) string { return "cannot parse " + r.get("Csr") },
		"the CSR, encoded":  func(r request) string { return "cannot parse " + url.QueryEscape(r.get("Csr")) },
		"the key":           func(r request) string { return "cannot parse " + r.get("Key") + canaryKey },
		"an address":        func(r request) string { return "see https://example.com/?AccessKeyId=" + r.get("AccessKeyId") },
		"the string to sign": func(r request) string {
			return "server string to sign is:POST&%2F&AccessKeyId%3D" + r.get("AccessKeyId") + canaryLine
		},
		"the string in one word":   func(r request) string { return "StringToSign=" + r.Body.Encode() },
		"the key in a broken word": func(r request) string { return "-----BEGIN%20RSA%20PRIVATE%20KEY-----" + r.Body.Encode() },
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 400, 403, 500} {
				body := func(text string) string {
					shape := map[string]string{"Code": "SignatureDoesNotMatch", "Message": text, "RequestId": text}
					out, _ := json.Marshal(shape)
					return string(out)
				}
				cloud := newCloud(t, func(n int, r request) (int, string) { return status, body(echo(r)) })
				var observed []error
				client := newTestClient(t, cloud.url, func(c *Config) {
					c.Observe = func(call Call) { observed = append(observed, call.Err) }
				})
				for operation, call := range operations {
					err := call(t.Context(), client)
					asOurs(t, err)
					for _, shown := range []string{fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
						if strings.Contains(shown, canarySecret) || strings.Contains(shown, canaryLine) || strings.Contains(shown, canaryCSRLine) {
							t.Errorf("%s: %s", operation, shown)
						}
					}
				}
				for i, r := range cloud.seen() {
					if strings.Contains(asOurs(t, observed[i]).Error(), r.get("Signature")) {
						t.Errorf("signature shown: %v", observed[i])
					}
				}
			}
		})
	}
}
