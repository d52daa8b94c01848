package command

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// fault 167: whatever a command writes around a private key, and wherever the part
// that is kept begins, nothing of the key is shown, and what is shown is short.
func FuzzOutput(f *testing.F) {
	const line = "Y2FuYXJ5LWtleS1jYW5hcnkta2V5LWNhbmFyeS1rZXktY2FuYXJ5LWtleS1jYW5h"
	if _, err := base64.RawStdEncoding.DecodeString(line); err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{"", "RSA ", "EC ", "ENCRYPTED "} {
		f.Add("nginx: [emerg] x\n", kind, "\nfailed\n", uint(0))
		f.Add("\x1b[2J\xff", kind, "\\n\r", uint(60))
		f.Add("-----BEGIN ", kind, "-----END PRIVATE KEY-----", uint(130))
	}
	f.Fuzz(func(t *testing.T, before, kind, after string, cut uint) {
		if strings.Trim(kind, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") != "" {
			return
		}
		key := "-----BEGIN " + kind + "PRIVATE KEY-----\n" + strings.Repeat(line+"\n", 3) + "-----END " + kind + "PRIVATE KEY-----\n"
		output := before + key + after
		shown := readable(withoutPrivateKeys(output[min(cut, uint(len(output))):]))
		if strings.Contains(shown, line[len(line)-16:]) {
			t.Errorf("the key is shown: %q", shown)
		}
		if len(shown) > maxFailureOutput || !utf8.ValidString(shown) {
			t.Errorf("%d bytes: %q", len(shown), shown)
		}
		if told := tellingLine(shown); strings.ContainsFunc(told, unicode.IsControl) || len(told) > maxTellingLine {
			t.Errorf("not a line: %q", told)
		}
	})
}
