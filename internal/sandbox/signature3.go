package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// signedV3 is a request signed by scheme ACS3-HMAC-SHA256, as Alibaba's newer
// clients do: the action, version, date and nonce come in x-acs headers, and
// a canonical form of the request is signed.
type signedV3 struct {
	request       *http.Request
	query         params
	body          []byte
	authorization map[string]string // Credential, SignedHeaders, Signature
}

const schemeV3 = "ACS3-HMAC-SHA256"

// headersV3 are those that carry what version 1.0 has as parameters.
var headersV3 = map[string]string{
	"x-acs-action": "Action", "x-acs-version": "Version", "x-acs-date": "Timestamp",
	"x-acs-signature-nonce": "SignatureNonce", "x-acs-security-token": "SecurityToken",
}

// newSignedV3 reads the headers, and adds what they say to the parameters.
func newSignedV3(r *http.Request, query, all params, body []byte) signedV3 {
	s := signedV3{request: r, query: maps.Clone(query), body: body, authorization: map[string]string{}}
	fields := strings.TrimPrefix(r.Header.Get("Authorization"), schemeV3)
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		s.authorization[name] = value
	}
	for header, name := range headersV3 {
		if value := r.Header.Get(header); value != "" {
			all[name] = value
		}
	}
	all["AccessKeyId"], all["Signature"] = s.authorization["Credential"], s.authorization["Signature"]
	if all["Format"] == "" {
		all["Format"] = "JSON"
	}
	return s
}

func (s signedV3) required() []string {
	return []string{"Action", "Version", "AccessKeyId", "Signature", "SignatureNonce", "Timestamp"}
}

func (s signedV3) verify(secret string) error {
	hash := sha256.Sum256(s.body)
	payload := hex.EncodeToString(hash[:])
	if given := s.request.Header.Get("x-acs-content-sha256"); given != payload {
		return refusal(http.StatusBadRequest, "IncompleteSignature", "The header x-acs-content-sha256 does not match the body.")
	}
	canonical := strings.Join([]string{
		s.request.Method, s.request.URL.EscapedPath(), s.canonicalQuery(),
		s.canonicalHeaders(), s.authorization["SignedHeaders"], payload,
	}, "\n")
	hash = sha256.Sum256([]byte(canonical))
	text := schemeV3 + "\n" + hex.EncodeToString(hash[:])
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return compareSignatures(hex.EncodeToString(mac.Sum(nil)), s.authorization["Signature"], text)
}

func (s signedV3) canonicalQuery() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(s.query)) {
		pairs = append(pairs, percentEncode(name)+"="+percentEncode(s.query[name]))
	}
	return strings.Join(pairs, "&")
}

func (s signedV3) canonicalHeaders() string {
	var b strings.Builder
	for name := range strings.SplitSeq(s.authorization["SignedHeaders"], ";") {
		value := strings.Join(s.request.Header.Values(name), ",")
		if name == "host" {
			value = s.request.Host
		}
		b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	return b.String()
}
