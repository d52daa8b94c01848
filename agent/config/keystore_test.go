package config

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

// fault 146
func TestAKeyStoreThatItsReadersCouldNotOpenIsRefused(t *testing.T) {
	const alias = "jks_alias"
	for _, tt := range []struct{ name, keys, password, key, err string }{
		{"a jks", `jks = "/etc/tls/www.jks"`, "sesame", "", ""},
		{"a jks with letters that a byte holds", `jks = "/etc/tls/www.jks"`, "sésame", "", ""},
		{"a jks with others", `jks = "/etc/tls/www.jks"`, "sesame€", "password", "cannot have"},
		{"a jks, too short by a character", `jks = "/etc/tls/www.jks"`, "ésame", "password", "shorter than 6 characters"},
		{"a pfx of few characters", `pfx = "/etc/tls/www.pfx"`, "s", "", ""},
		{"a pfx with others", `pfx = "/etc/tls/www.pfx"`, "sesame€", "", ""},
		{"a pfx with what has no BMPString", `pfx = "/etc/tls/www.pfx"`, "sesame😀", "password", "cannot have"},
		{"a pfx beside a jks", `jks = "/etc/tls/www.jks"` + "\n" + `pfx = "/etc/tls/www.pfx"`, "short", "password", "shorter than 6 characters"},
		{"what is not UTF-8", `pfx = "/etc/tls/www.pfx"`, "sesame\xff", "password", "not UTF-8"},
		{"a NUL", `pfx = "/etc/tls/www.pfx"`, "sesame\x00", "password", "control character"},
		{"two lines", `pfx = "/etc/tls/www.pfx"`, "sesame\nopen", "password", "control character"},
		{"none", `pfx = "/etc/tls/www.pfx"`, "", "password", "empty"},
		{"an alias", `jks = "/etc/tls/www.jks"` + "\njks_alias = \"my server\"", "sesame", "", ""},
		{"an alias that Java writes otherwise", `jks = "/etc/tls/www.jks"` + "\njks_alias = \"größe\"", "sesame", alias, "not made of letters"},
		{"an alias that ends in a blank", `jks = "/etc/tls/www.jks"` + "\njks_alias = \"server \"", "sesame", alias, "not made of letters"},
		{"an alias without a jks", `pfx = "/etc/tls/www.pfx"` + "\njks_alias = \"server\"", "sesame", alias, "no use without jks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := t.TempDir() + "/password"
			if err := os.WriteFile(file, []byte(tt.password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := load(t, strings.Replace(sound, "  key = ", tt.keys+"\npassword_file = "+strconv.Quote(file)+"\n  key = ", 1))
			var wrong *Error
			if tt.err == "" && err != nil || tt.err != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.err) || !strings.HasSuffix(wrong.Key, tt.key)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if err != nil && (strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "ésame")) {
				t.Errorf("the password is in the error %v", err)
			}
		})
	}
}
