package aliyun

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// signatureOf follows the published rules of RPC signature version 1, apart
// from the SDK: sorted parameters, RFC 3986, HMAC-SHA1.
func signatureOf(method, secret string, parameters map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		pairs = append(pairs, rfc3986(name)+"="+rfc3986(parameters[name]))
	}
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(method + "&%2F&" + rfc3986(strings.Join(pairs, "&"))))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func rfc3986(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func TestVerifierAgreesWithPublishedVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Secret, Signature string
		Parameters              map[string]string
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 6 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, vector := range vectors {
		if got := signatureOf("GET", vector.Secret, vector.Parameters); got != vector.Signature {
			t.Errorf("%s: signature %s, want %s", vector.Name, got, vector.Signature)
		}
	}
}

// The CAS reference shows a DescribeUserCertificateList and then a signature
// that does not belong to it, whatever the method and the spelling.
func TestReferenceSignsAnotherRequestThanItShows(t *testing.T) {
	const printed = "CT9X0VtwR86fNWSnsc6v8YGOjuE="
	for _, method := range []string{"GET", "POST"} {
		for _, spelling := range []string{"Timestamp", "TimeStamp"} {
			shown := map[string]string{"AccessKeyId": "testid", "Action": "DescribeUserCertificateList", "Format": "XML",
				"SignatureMethod": "HMAC-SHA1", "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
				"SignatureVersion": "1.0", "Version": "2018-07-13", spelling: "2016-02-23T12:46:24Z"}
			if signatureOf(method, "testsecret", shown) == printed {
				t.Errorf("%s with %s gives the printed signature after all", method, spelling)
			}
		}
	}
}

func TestEveryRequestIsSigned(t *testing.T) {
	for operation, call := range operations {
		cloud := newCloud(t, replyAsDocumented)
		client := newTestClient(t, cloud.url)
		if err := call(t.Context(), client); err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
		checkSignature(t, cloud.seen()[0], canarySecret)
	}
}

func TestUnusualCharactersAreSigned(t *testing.T) {
	cloud := newCloud(t, replyAsDocumented)
	client := newTestClient(t, cloud.url)
	const odd = "a b*c~d+e/f=g&h%20i\r\n\"例'(!)"
	if _, err := client.AddDomainRecord(t.Context(), Record{Zone: "例子.com", RR: "*", Type: "TXT", Value: odd}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateUserCertificate(t.Context(), odd, odd, odd); err != nil {
		t.Fatal(err)
	}
	for _, r := range cloud.seen() {
		checkSignature(t, r, canarySecret)
	}
}

func checkSignature(t *testing.T, r request, secret string) {
	t.Helper()
	signed := map[string]string{}
	for _, values := range []url.Values{r.Query, r.Body} {
		for name, value := range values {
			if len(value) != 1 {
				t.Errorf("%s comes %d times", name, len(value))
			}
			signed[name] = value[0]
		}
	}
	delete(signed, "Signature")
	if got, want := r.get("Signature"), signatureOf(r.Method, secret, signed); got != want {
		t.Errorf("%s: signature %s, want %s", r.get("Action"), got, want)
	}
}
