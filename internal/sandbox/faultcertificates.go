package sandbox

import (
	"strings"
	"time"
)

// certificateKinds change the texts of a certificate and its key as they are answered.
var certificateKinds = []kind{
	{name: "issued-without-certificate", about: "issued, but the certificate is empty", actions: contents, alter: onCertificate(func(_ *call, _ string) string { return "" })},
	{name: "issued-without-key", about: "issued, but the key is empty", actions: contents, alter: withoutKey},
	{name: "chain-reversed", about: "the intermediate comes before the leaf", actions: contents, alter: onChain(func(leaf, issuer string) string { return issuer + leaf })},
	{name: "chain-missing", about: "the leaf comes alone", actions: contents, alter: onChain(func(leaf, _ string) string { return leaf })},
	{name: "chain-doubled", about: "every certificate comes twice", actions: contents, alter: onChain(func(leaf, issuer string) string { return leaf + leaf + issuer + issuer })},
	{name: "chain-foreign", about: "the intermediate is another CA's", actions: contents, alter: onCertificate(foreignChain)},
	{name: "crlf", about: "the certificate has CRLF line ends", actions: contents, alter: onCertificate(func(_ *call, text string) string {
		return strings.ReplaceAll(text, "\n", "\r\n")
	})},
	{name: "bom", about: "the certificate begins with a byte order mark", actions: contents, alter: onCertificate(func(_ *call, text string) string { return "\ufeff" + text })},
	{name: "trailing-rubbish", about: "the certificate is followed by rubbish", actions: contents, alter: onCertificate(func(_ *call, text string) string {
		return text + "\n<!-- 0xDEADBEEF -->\n-----BEGIN CERT"
	})},
	{name: "key-in-certificate", about: "the certificate's text holds the key too", actions: contents, alter: keyInCertificate},
	{name: "many-blocks", about: "the certificate is followed by 1000 more blocks", actions: contents, alter: onChain(func(leaf, issuer string) string {
		return leaf + strings.Repeat(issuer, 1001)
	})},
}

// certificateFields are the names of a certificate and of its key in the two answers that carry them.
var certificateFields = map[string]string{"Certificate": "PrivateKey", "Cert": "Key"}

// onCertificate changes the certificate's text, where there is one.
func onCertificate(change func(*call, string) string) func(*call, object) bool {
	return func(c *call, o object) bool {
		for field := range certificateFields {
			if text, ok := o[field].(string); ok && text != "" {
				o[field] = change(c, text)
				return true
			}
		}
		return false
	}
}

// onChain changes a text of two blocks, leaf and issuer.
func onChain(change func(leaf, issuer string) string) func(*call, object) bool {
	return onCertificate(func(_ *call, text string) string { return change(splitChain(text)) })
}

func splitChain(text string) (leaf, rest string) {
	const end = "-----END CERTIFICATE-----\n"
	leaf, rest, _ = strings.Cut(text, end)
	return leaf + end, rest
}

func foreignChain(_ *call, text string) string {
	other, err := newAuthority(time.Hour)
	if err != nil {
		return ""
	}
	leaf, _ := splitChain(text)
	return leaf + certificatePEM(other.intermediate.Raw)
}

func withoutKey(_ *call, o object) bool {
	for _, field := range certificateFields {
		if text, ok := o[field].(string); ok && text != "" {
			o[field] = ""
			return true
		}
	}
	return false
}

func keyInCertificate(_ *call, o object) bool {
	for field, key := range certificateFields {
		if text, ok := o[field].(string); ok && text != "" {
			private, _ := o[key].(string)
			if private == "" {
				private = anyKey()
			}
			o[field] = text + private
			return true
		}
	}
	return false
}

// anyKey is a key in PEM where the service has none.
func anyKey() string {
	key, err := newKey("ECC_256")
	if err != nil {
		return ""
	}
	return keyPEM(key)
}
