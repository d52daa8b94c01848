package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// requestV3 is DescribeDomainInfo as Alibaba's newer clients send it: the
// DomainName in the query or in a form, all else in headers.
func requestV3(t *testing.T, c *client, inQuery bool, nonce string) *http.Request {
	t.Helper()
	query, body := "", "DomainName=example.com"
	if inQuery {
		query, body = body, ""
	}
	address, err := url.Parse(c.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	headers := [][2]string{
		{"host", address.Host}, {"x-acs-action", "DescribeDomainInfo"}, {"x-acs-content-sha256", hex.EncodeToString(sum[:])},
		{"x-acs-date", timestamp(0)}, {"x-acs-signature-nonce", nonce}, {"x-acs-version", "2015-01-09"},
	}
	r, err := http.NewRequest(http.MethodPost, c.endpoint+"/?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	canonical, names := "POST\n/\n"+query+"\n", []string{}
	for _, h := range headers {
		canonical += h[0] + ":" + h[1] + "\n"
		names = append(names, h[0])
		r.Header.Set(h[0], h[1])
	}
	signed := strings.Join(names, ";")
	sum = sha256.Sum256([]byte(canonical + "\n" + signed + "\n" + headers[2][1]))
	mac := hmac.New(sha256.New, []byte(c.secret))
	fmt.Fprintf(mac, "ACS3-HMAC-SHA256\n%x", sum)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", fmt.Sprintf("ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%x", c.id, signed, mac.Sum(nil)))
	return r
}

func TestRequestsSignedInTheHeaders(t *testing.T) {
	s := start(t, quick)
	for _, test := range []struct {
		name    string
		inQuery bool
		spoil   func(*http.Request)
		status  int
		code    string
	}{
		{"parameters in the query are taken", true, func(*http.Request) {}, 200, ""},
		{"parameters in the body are taken", false, func(*http.Request) {}, 200, ""},
		{"a changed query is refused", true, func(r *http.Request) { r.URL.RawQuery += "&Lang=en" }, 400, "SignatureDoesNotMatch"},
		{"a changed header is refused", true, func(r *http.Request) { r.Header.Set("x-acs-action", "DescribeDomains") }, 400, "SignatureDoesNotMatch"},
		{"a hash of another body is refused", true, func(r *http.Request) { r.Header.Set("x-acs-content-sha256", "00") }, 400, "IncompleteSignature"},
		{"a request without a nonce is refused", true, func(r *http.Request) { r.Header.Del("x-acs-signature-nonce") }, 400, "MissingParameter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t, s)
			r := requestV3(t, c, test.inQuery, t.Name())
			test.spoil(r)
			a, err := c.do(r)
			if err != nil || a.status != test.status || a.text("Code") != test.code {
				t.Errorf("%v: got %d %s, want %d %s", err, a.status, a.body, test.status, test.code)
			}
		})
	}
	if last := s.History()[0]; last.Action != "DescribeDomainInfo" || last.Params["DomainName"] != "example.com" {
		t.Errorf("the history shows %+v", last)
	}
}
