package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// shortest is the length of a secret that is told from a word by chance.
const shortest = 4

// Cut replaces the secrets in what others wrote by "***": as they are and as
// servers repeat them, in any case, escaped for a URL or in quotes, in hex, and
// in base64, alone or within more. What else somebody may do to a secret it does
// not know; where a code says enough, show that alone.
func Cut(text string, secrets ...string) string {
	var spelt []string
	for _, secret := range secrets {
		if len(secret) >= shortest {
			spelt = append(spelt, spellings(secret)...)
		}
	}
	slices.SortFunc(spelt, func(a, b string) int { return len(b) - len(a) }) // the whole before what is in it
	for _, spelling := range spelt {
		text = replaced(text, spelling)
	}
	return text
}

// replaced finds the spelling in any case of its ASCII letters.
func replaced(text, spelling string) string {
	var kept strings.Builder
	lowered, spelling := lower(text), lower(spelling)
	for i := strings.Index(lowered, spelling); i >= 0; i = strings.Index(lowered, spelling) {
		kept.WriteString(text[:i] + "***")
		text, lowered = text[i+len(spelling):], lowered[i+len(spelling):]
	}
	return kept.String() + text
}

// lower leaves each byte where it is.
func lower(text string) string {
	lowered := []byte(text)
	for i, b := range lowered {
		if 'A' <= b && b <= 'Z' {
			lowered[i] = b + 'a' - 'A'
		}
	}
	return string(lowered)
}

func spellings(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string can be
	once := url.QueryEscape(secret)
	spelt := []string{
		secret, once, url.QueryEscape(once), url.PathEscape(secret), strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(secret)),
	}
	for before := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if inside := within(encoding, secret, before); len(inside) >= shortest {
				spelt = append(spelt, inside, url.QueryEscape(inside))
			}
		}
	}
	return spelt
}

// within is what is always the same of the base64 of a text that has the secret
// in it: it depends on how many bytes come before, modulo three, and its first
// and last character may hold bits of what is beside the secret.
func within(encoding *base64.Encoding, secret string, before int) string {
	whole := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
	first := (before*8 + 5) / 6
	last := (before + len(secret)) * 8 / 6
	return whole[first:last]
}
