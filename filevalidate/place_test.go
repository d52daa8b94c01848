package filevalidate

import (
	"strings"
	"testing"
)

// fault 116
func TestAFileIsWrittenOnlyWhereACALooks(t *testing.T) {
	domains := []string{"example.com", "www.example.com", "xn--bcher-kva.example"}
	const usual = "example.com/.well-known/pki-validation/fileauth.txt"
	for _, tt := range []struct {
		name        string
		raw, domain string
		want        string // the URL; "" is refused
	}{
		{"a URL without its scheme", usual, "", usual},
		{"a URL with it", "http://" + usual, "", usual},
		{"a URL of HTTPS", "HTTPS://" + usual, "", usual},
		{"a host in upper case", "Example.COM./.well-known/pki-validation/fileauth.txt", "", usual},
		{"a host in Unicode", "BÜCHER.example/.well-known/pki-validation/a.txt", "", "xn--bcher-kva.example/.well-known/pki-validation/a.txt"},
		{"an absolute path of a domain", "/.well-known/pki-validation/fileauth.txt", "example.com", usual},
		{"a path of a domain", ".well-known/pki-validation/fileauth.txt", "example.com", usual},
		{"a name of a domain", "fileauth.txt", "example.com", usual},
		{"another directory for validations", "example.com/.well-known/cfca-validation/sub/A_1-b", "", "example.com/.well-known/cfca-validation/sub/A_1-b"},
		{"a page", "example.com/.well-known/pki-validation/fileauth.html", "", "example.com/.well-known/pki-validation/fileauth.html"},

		{"nothing", "", "example.com", ""},
		{"a path of no domain", "/.well-known/pki-validation/fileauth.txt", "", ""},
		{"a path of another host", "/.well-known/pki-validation/fileauth.txt", "other.example", ""},
		{"another host", "other.example/.well-known/pki-validation/fileauth.txt", "example.com", ""},
		{"a host below one", "a.example.com/.well-known/pki-validation/fileauth.txt", "example.com", ""},
		{"a port", "example.com:8080/.well-known/pki-validation/fileauth.txt", "", ""},
		{"a user", "user@example.com/.well-known/pki-validation/fileauth.txt", "", ""},
		{"a host alone", "http://example.com", "", ""},
		{"a directory", "example.com/.well-known/pki-validation/", "", ""},
		{"a way upward", "example.com/.well-known/pki-validation/../../fileauth.txt", "", ""},
		{"a way upward in between", "example.com/.well-known/../pki-validation/fileauth.txt", "", ""},
		{"an encoded way upward", "example.com/.well-known/pki-validation/%2e%2e/%2e%2e/x.txt", "", ""},
		{"an encoded slash", "example.com/.well-known/pki-validation%2f..%2fx.txt", "", ""},
		{"a backslash", `example.com/.well-known/pki-validation/..\x.txt`, "", ""},
		{"a dot", "example.com/.well-known/pki-validation/./fileauth.txt", "", ""},
		{"an empty name on the way", "example.com/.well-known//pki-validation/fileauth.txt", "", ""},
		{"outside of .well-known", "example.com/pki-validation/fileauth.txt", "", ""},
		{".well-known further down", "example.com/a/.well-known/pki-validation/fileauth.txt", "", ""},
		{"right in .well-known", "example.com/.well-known/security.txt", "", ""},
		{"what proves to an ACME CA", "example.com/.well-known/acme-challenge/token", "", ""}, // fault 172
		{"what leads a chat elsewhere", "example.com/.well-known/matrix/server", "", ""},
		{"a query", "example.com/.well-known/pki-validation/fileauth.txt?a=b", "", ""},
		{"a fragment", "example.com/.well-known/pki-validation/fileauth.txt#a", "", ""},
		{"a newline", "example.com/.well-known/pki-validation/file\nauth.txt", "", ""},
		{"a NUL", "example.com/.well-known/pki-validation/fileauth.txt\x00", "", ""},
		{"a hidden file", "example.com/.well-known/pki-validation/.htaccess", "", ""},
		{"a program", "example.com/.well-known/pki-validation/fileauth.php", "", ""},
		{"a program before another suffix", "example.com/.well-known/pki-validation/fileauth.php.txt", "", ""},
		{"an option", "example.com/.well-known/pki-validation/-rf", "", ""},
		{"a deep path", "example.com/.well-known/pki-validation/a/b/c/d.txt", "", ""},
		{"a long name", "example.com/.well-known/pki-validation/" + strings.Repeat("a", longestName+1), "", ""},
		{"a long URL", "example.com/.well-known/pki-validation/" + strings.Repeat("a/", longest) + "a", "", ""},
		{"another scheme", "file:///.well-known/pki-validation/fileauth.txt", "example.com", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CheckURL(tt.raw, tt.domain, domains)
			if (err == nil) != (tt.want != "") || err == nil && (got.URL() != tt.want || ParsePlace(got.URL()) != got) {
				t.Errorf("got %v, %v", got, err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("not one line: %q", err)
			}
		})
	}
}

// fault 116
func TestAFileHoldsAShortText(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		refused       bool
	}{
		{"a token", "2026112700000000abcdef", false},
		{"a hash, a CA and a token in lines", "0A1B\r\nsectigo.com\nabc_-+/=\n", false},
		{"nothing", "", true},
		{"blanks", " \n", true},
		{"a script", "<script>alert(1)</script>", true},
		{"a program", "<?php system($_GET[0]); ?>", true},
		{"a NUL", "abc\x00", true},
		{"an escape", "\x1b[2J", true},
		{"letters beyond ASCII", "bücher", true},
		{"a text of any length", strings.Repeat("x", longest+1), true}, // fault 174
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := CheckContent(tt.content); (err != nil) != tt.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzCheckURL(f *testing.F) {
	f.Add("example.com/.well-known/pki-validation/fileauth.txt", "example.com")
	f.Add("/.well-known/pki-validation/../a", "example.com")
	f.Fuzz(func(t *testing.T, raw, domain string) {
		p, err := CheckURL(raw, domain, []string{"example.com"})
		if err != nil {
			return
		}
		if p.Host != "example.com" || !strings.HasPrefix(p.Path, ".well-known/") || strings.Contains(p.Path, "..") || strings.ContainsAny(p.Path, "\\%?#: \x00\n") {
			t.Errorf("%q leads to %+v", raw, p)
		}
	})
}
