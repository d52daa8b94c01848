package sandbox

import (
	"crypto/hmac"
	"crypto/sha1" // HMAC-SHA1 is the gateway's signature method
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// signedV1 is a request signed by the RPC scheme, version 1.0: every
// parameter, of the query and of the body, goes into one HMAC-SHA1.
type signedV1 struct {
	method string
	params params
}

func (s signedV1) required() []string {
	return []string{"Action", "Version", "AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", timestampName(s.params)}
}

// verify compares the signature with the one that secret makes.
func (s signedV1) verify(secret string) error {
	if s.params["SignatureMethod"] != "HMAC-SHA1" || s.params["SignatureVersion"] != "1.0" {
		return refusal(http.StatusBadRequest, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	}
	text := stringToSignV1(s.method, s.params)
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(text))
	wanted := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return compareSignatures(wanted, s.params["Signature"], text)
}

func compareSignatures(wanted, given, stringToSign string) error {
	if hmac.Equal([]byte(wanted), []byte(given)) {
		return nil
	}
	return refusal(http.StatusBadRequest, "SignatureDoesNotMatch",
		"Specified signature is not matched with our calculation. server string to sign is:%s", stringToSign)
}

func stringToSignV1(method string, p params) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name != "Signature" {
			pairs = append(pairs, percentEncode(name)+"="+percentEncode(p[name]))
		}
	}
	return method + "&%2F&" + percentEncode(strings.Join(pairs, "&"))
}

// timestampName is how a request spells it; the API's own example differs from its table.
func timestampName(p params) string {
	if _, ok := p["TimeStamp"]; ok {
		return "TimeStamp"
	}
	return "Timestamp"
}

// percentEncode escapes all but the unreserved characters of RFC 3986.
func percentEncode(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(text) {
		if isUnreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0
}
