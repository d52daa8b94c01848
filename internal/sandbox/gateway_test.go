package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func timestamp(shift time.Duration) string {
	return time.Now().Add(shift).UTC().Format("2006-01-02T15:04:05Z")
}

func TestARequestIsTakenInEveryForm(t *testing.T) {
	s := start(t, quick)
	for _, test := range []struct {
		name            string
		method          string
		inQuery         bool
		timestampSpelt  string
		format          string
		wantContentType string
	}{
		{"GET with the parameters in the query", "GET", true, "Timestamp", "JSON", "application/json"},
		{"GET with TimeStamp, as the reference spells it", "GET", true, "TimeStamp", "JSON", "application/json"},
		{"POST with the parameters in the body", "POST", false, "Timestamp", "JSON", "application/json"},
		{"POST with the parameters in the query", "POST", true, "Timestamp", "JSON", "application/json"},
		{"the format in small letters", "POST", false, "Timestamp", "json", "application/json"},
		{"XML", "GET", true, "Timestamp", "XML", "text/xml"},
		{"no format, which means XML", "POST", false, "Timestamp", absent, "text/xml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t, s)
			c.method, c.inQuery, c.timestampSpelt = test.method, test.inQuery, test.timestampSpelt
			a := c.alidns("DescribeDomains", "Format", test.format)
			if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), test.wantContentType) {
				t.Fatalf("%d %s: %s", a.status, a.header.Get("Content-Type"), a.body)
			}
			if !strings.Contains(string(a.body), "example.com") {
				t.Errorf("the zone is missing: %s", a.body)
			}
		})
	}
}

func TestQueryAndBodyAreSignedTogether(t *testing.T) {
	c := newClient(t, start(t, quick))
	_, form := c.sign(map[string]string{
		"Action": "DescribeDomainInfo", "Version": "2015-01-09", "Format": "JSON", "AccessKeyId": c.id, "DomainName": "example.com",
		"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": "both", "Timestamp": timestamp(0),
	})
	query := url.Values{"Action": form["Action"], "Version": form["Version"]}
	form.Del("Action")
	form.Del("Version")
	r, err := http.NewRequest(http.MethodPost, c.endpoint+"/?"+query.Encode(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	a, err := c.do(r)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%v: %s", err, a.body)
	}
}

func TestXMLRepeatsElementsWithoutAWrapper(t *testing.T) {
	c := newClient(t, start(t, Options{Instances: 2}))
	body := string(c.cas("DescribeOrderInstanceList", "StartIndex", "0", "Format", "XML").body)
	if !strings.Contains(body, "<DescribeOrderInstanceListResponse>") || strings.Count(body, "<OrderList>") != 2 {
		t.Errorf("got %s", body)
	}
	body = string(c.cas("DescribeOrderInstanceList", "Format", "xml").body)
	if !strings.Contains(body, "<Error>") || !strings.Contains(body, "<Code>MissingParameter</Code>") {
		t.Errorf("the error: %s", body)
	}
}

func TestTheGatewayRefuses(t *testing.T) {
	s := start(t, quick)
	for _, test := range []struct {
		name    string
		version string
		action  string
		pairs   []string
		status  int
		code    string
	}{
		{"a request without a version", absent, "DescribeDomains", nil, 400, "MissingParameter"},
		{"a request without an action", "2015-01-09", absent, nil, 400, "MissingParameter"},
		{"a request without a nonce", "2015-01-09", "DescribeDomains", []string{"SignatureNonce", absent}, 400, "MissingParameter"},
		{"a request without a timestamp", "2015-01-09", "DescribeDomains", []string{"Timestamp", absent}, 400, "MissingParameter"},
		{"a version that is nobody's", "2020-06-19", "DescribeDomains", nil, 400, "InvalidVersion"},
		{"an action of another API", "2018-07-13", "DescribeDomains", nil, 404, "InvalidAction.NotFound"},
		{"an unknown access key", "2015-01-09", "DescribeDomains", []string{"AccessKeyId", "LTAInobody"}, 404, "InvalidAccessKeyId.NotFound"},
		{"a token that is not the key's", "2015-01-09", "DescribeDomains", []string{"SecurityToken", "x"}, 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"another signature method", "2015-01-09", "DescribeDomains", []string{"SignatureMethod", "HMAC-MD5"}, 400, "IncompleteSignature"},
		{"a timestamp in another form", "2015-01-09", "DescribeDomains", []string{"Timestamp", "yesterday"}, 400, "InvalidTimeStamp.Format"},
		{"a timestamp 16 minutes ago", "2015-01-09", "DescribeDomains", []string{"Timestamp", timestamp(-16 * time.Minute)}, 400, "InvalidTimeStamp.Expired"},
		{"a timestamp 16 minutes ahead", "2015-01-09", "DescribeDomains", []string{"Timestamp", timestamp(16 * time.Minute)}, 400, "InvalidTimeStamp.Expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newClient(t, s).mustCall(test.version, test.action, test.pairs...)
			if a.status != test.status || a.text("Code") != test.code {
				t.Fatalf("got %d %s, want %d %s", a.status, a.body, test.status, test.code)
			}
			for _, field := range []string{"RequestId", "HostId", "Message", "Recommend"} {
				if a.text(field) == "" {
					t.Errorf("%s is missing: %s", field, a.body)
				}
			}
		})
	}
}

func TestATimestampNearlyStaleIsTaken(t *testing.T) {
	c := newClient(t, start(t, quick))
	if a := c.alidns("DescribeDomains", "Timestamp", timestamp(-14*time.Minute)); a.status != http.StatusOK {
		t.Errorf("%s", a.body)
	}
}

func TestAWrongSignatureIsAnsweredWithTheStringToSign(t *testing.T) {
	c := newClient(t, start(t, quick))
	c.changeSignature = func(string) string { return "bm90IHRoZSBzaWduYXR1cmU=" }
	a := c.alidns("DescribeDomains")
	if a.status != http.StatusBadRequest || a.text("Code") != "SignatureDoesNotMatch" ||
		!strings.Contains(a.text("Message"), "POST&%2F&AccessKeyId%3D"+c.id) {
		t.Errorf("%s", a.body)
	}
}

func TestANonceIsTakenOnceForAKey(t *testing.T) {
	c := newClient(t, start(t, quick))
	if a := c.alidns("DescribeDomains", "SignatureNonce", "once"); a.status != http.StatusOK {
		t.Fatalf("%s", a.body)
	}
	if a := c.alidns("DescribeDomains", "SignatureNonce", "once"); a.text("Code") != "SignatureNonceUsed" {
		t.Errorf("%s", a.body)
	}
}

func TestAnUnsignedRequestDoesNotUseUpItsNonce(t *testing.T) {
	c := newClient(t, start(t, quick))
	c.changeSignature = func(string) string { return "x" }
	c.alidns("DescribeDomains", "SignatureNonce", "kept")
	c.changeSignature = nil
	if a := c.alidns("DescribeDomains", "SignatureNonce", "kept"); a.status != http.StatusOK {
		t.Errorf("%s", a.body)
	}
}

func TestOtherMethodsAndPathsAreRefused(t *testing.T) {
	c := newClient(t, start(t, quick))
	c.method = http.MethodPut
	if a := c.alidns("DescribeDomains"); a.status == http.StatusOK {
		t.Errorf("PUT: %s", a.body)
	}
	c.method, c.endpoint = "", c.endpoint+"/other"
	if a := c.alidns("DescribeDomains"); a.status != http.StatusNotFound {
		t.Errorf("another path: %s", a.body)
	}
}

func TestASessionSignsWithItsToken(t *testing.T) {
	s := start(t, quick)
	owner := newClient(t, s)
	a := owner.mustCall("2015-04-01", "AssumeRole", "RoleArn", "acs:ram::1:role/dv", "RoleSessionName", "test")
	credentials, _ := a.fields["Credentials"].(map[string]any)
	session := newClient(t, s)
	session.id, _ = credentials["AccessKeyId"].(string)
	session.secret, _ = credentials["AccessKeySecret"].(string)
	token, _ := credentials["SecurityToken"].(string)
	if a := session.alidns("DescribeDomains", "SecurityToken", token); a.status != http.StatusOK {
		t.Errorf("with the token: %s", a.body)
	}
	if a := session.alidns("DescribeDomains"); a.status == http.StatusOK {
		t.Error("the session's key was taken without its token")
	}
}

func TestAReplacedKeyIsUnknown(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	s.SetAccessKey("LTAInew", "new secret")
	if a := c.alidns("DescribeDomains"); a.text("Code") != "InvalidAccessKeyId.NotFound" {
		t.Errorf("the old key: %s", a.body)
	}
	if a := newClient(t, s).alidns("DescribeDomains"); a.status != http.StatusOK {
		t.Errorf("the new key: %s", a.body)
	}
}

func TestTheHistoryHoldsNoSecret(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	c.cas("CreateUserCertificate", "Name", "n", "Cert", "c", "Key", "the private key")
	c.alidns("DescribeDomains", "SecurityToken", "the token")
	list := s.History()
	if len(list) != 2 || list[0].API != "cas" || list[0].Action != "CreateUserCertificate" || list[0].Code != "InvalidParameter" || list[0].HTTPStatus != 400 {
		t.Fatalf("%+v", list)
	}
	for _, r := range list {
		for name, value := range r.Params {
			if name == "Signature" || strings.HasPrefix(value, "the ") {
				t.Errorf("%s holds %s=%s", r.Action, name, value)
			}
		}
	}
	if list[0].Params["Name"] != "n" {
		t.Error("parameters are missing from the history")
	}
	s.ClearHistory()
	if len(s.History()) != 0 {
		t.Error("the history was not cleared")
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	h := &history{}
	for range longestHistory + 1 {
		h.add(Request{})
	}
	h.add(Request{Action: "the last"})
	if n := len(h.requests); n >= longestHistory || h.requests[n-1].Action != "the last" {
		t.Errorf("it holds %d requests", n)
	}
}
