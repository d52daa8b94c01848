package secret

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// fault 169
func TestASecretIsCutInEachSpelling(t *testing.T) {
	const password = `pa"ss/Word+42?`
	base := base64.StdEncoding.EncodeToString
	for _, tt := range []struct{ name, text string }{
		{"as it is", password},
		{"in lower case", strings.ToLower(password)},
		{"in upper case", strings.ToUpper(password)},
		{"in a URL", url.QueryEscape(password)},
		{"in a URL in a URL", url.QueryEscape(url.QueryEscape(password))},
		{"in a path", url.PathEscape(password)},
		{"in JSON", fmt.Sprintf("%q", password)},
		{"in hex", hex.EncodeToString([]byte(password))},
		{"in upper hex", strings.ToUpper(hex.EncodeToString([]byte(password)))},
		{"in base64", base([]byte(password))},
		{"in base64 for URLs", base64.URLEncoding.EncodeToString([]byte(password))},
		{"in base64 after one byte", base([]byte("\x00" + password))},
		{"in base64 after two bytes", base([]byte("u\x00" + password + "x"))},
		{"in base64 after a user", base([]byte("\x00ops\x00" + password))},
		{"in base64 that was lowered", strings.ToLower(base([]byte(password)))},
		{"in base64 in a URL", url.QueryEscape(base([]byte(password)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Cut("535 <"+tt.text+"> is wrong", "other", password, "")
			if !strings.HasPrefix(got, "535 <") || !strings.HasSuffix(got, "> is wrong") || !strings.Contains(got, "***") {
				t.Errorf("got %q", got)
			}
			if left := strings.TrimSuffix(strings.TrimPrefix(got, "535 <"), "> is wrong"); len(strings.Trim(left, `*"`)) > 16 {
				t.Errorf("%q is left", left)
			}
		})
	}
	if got := Cut("nothing of it", password, "no"); got != "nothing of it" {
		t.Errorf("got %q", got)
	}
}
