package dnsvalidate

import (
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"dvagent/internal/hint"
)

func TestCheckNameIsMadeAHostName(t *testing.T) {
	tests := []struct {
		name, raw string
		domains   []string
		want      string
	}{
		{"a whole name", "_dnsauth.www.example.com", []string{"www.example.com"}, "_dnsauth.www.example.com"},
		{"capitals and a trailing dot", "_DNSAuth.Example.COM.", []string{"example.com"}, "_dnsauth.example.com"},
		{"any underscored label", "_x1.example.com", []string{"*.example.com"}, "_x1.example.com"},
		{"two underscored labels", "_a._b.example.com", []string{"example.com"}, "_a._b.example.com"},
		{"the apex of a deeper domain", "_dnsauth.example.com", []string{"a.b.example.com"}, "_dnsauth.example.com"},
		{"a public suffix of two labels", "_dnsauth.a.co.uk", []string{"www.a.co.uk"}, "_dnsauth.a.co.uk"},
		{"the second of two registrable domains", "_x.example.net", []string{"example.com", "example.net"}, "_x.example.net"},
		{"further below a domain", "_dnsauth.a.www.example.com", []string{"www.example.com"}, "_dnsauth.a.www.example.com"},
		{"a domain that is a public suffix", "_dnsauth.co.uk", []string{"co.uk"}, "_dnsauth.co.uk"},
		{"a Unicode domain", "_dnsauth.例子.中国", []string{"例子.中国"}, "_dnsauth.xn--fsqu00a.xn--fiqs8s"},
		{"a Unicode domain in A-labels", "_dnsauth.xn--fsqu00a.xn--fiqs8s", []string{"例子.中国"}, "_dnsauth.xn--fsqu00a.xn--fiqs8s"},
		{"a host value", "_dnsauth", []string{"example.com", "*.example.com"}, "_dnsauth.example.com"},
		{"a host value below the apex", "_dnsauth.www", []string{"www.example.com"}, "_dnsauth.www.example.com"},
		{"a host value at a parent", "_dnsauth.b", []string{"*.a.b.example.com"}, "_dnsauth.b.example.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := CheckName(test.raw, test.domains)
			if err != nil || got != test.want {
				t.Errorf("got %q and %v, want %q", got, err, test.want)
			}
		})
	}
}

// fault 84, fault 172
func TestCheckNameIsRefused(t *testing.T) {
	label63, apex := strings.Repeat("a", 63), []string{"example.com"}
	tests := []struct {
		name, raw string
		domains   []string
	}{
		{"another domain", "_dnsauth.evil.com", apex},
		{"a domain that only ends alike", "_dnsauth.notexample.com", apex},
		{"our domain as a label of another", "_dnsauth.example.com.evil.net", apex},
		{"the public suffix", "_dnsauth.com", apex},
		{"a neighbour under a suffix of two labels", "_dnsauth.b.co.uk", []string{"a.co.uk"}},
		{"a sibling as a host value", "_dnsauth.mail", []string{"www.example.com"}},
		{"a host value with several registrable domains", "_dnsauth", []string{"example.com", "example.net"}},
		{"a host value with a trailing dot", "_dnsauth.", apex},
		{"the registrable domain itself", "example.com", apex},
		{"a host", "www.example.com", apex},
		{"a host value that is a host", "www", apex},
		{"the apex sign", "@", apex},
		{"a wildcard", "*", apex},
		{"a wildcard below an underscore", "_dnsauth.*.example.com", apex},
		{"a NUL", "_dns\x00auth.example.com", apex},
		{"a backslash", `_dns\.auth.example.com`, apex},
		{"a newline at the end", "_dnsauth.example.com\n", apex},
		{"a space", "_dns auth.example.com", apex},
		{"a slash", "_dnsauth/x.example.com", apex},
		{"two dots", "_dnsauth..example.com", apex},
		{"two dots at the end", "_dnsauth.example.com..", apex},
		{"a dot at the beginning", "._dnsauth.example.com", apex},
		{"a hyphen at a label's end", "_dnsauth-.example.com", apex},
		{"nothing", "", apex},
		{"a dot", ".", apex},
		{"a label of 64 characters", "_" + label63 + ".example.com", apex},
		{"254 characters", "_a." + strings.Repeat(label63+".", 3) + strings.Repeat("b", 47) + ".example.com", apex},
		{"a host value that becomes too long", "_a." + strings.Repeat(label63+".", 3) + strings.Repeat("b", 50), apex},
		{"bytes that are not UTF-8", "_dns\xff.example.com", apex},
		{"a Unicode dot that hides an empty label", "_dnsauth.。example.com", apex},
		{"a neighbour below the registrable domain", "_dnsauth.other.example.com", []string{"www.example.com"}},
		{"above a domain that is a public suffix", "_dnsauth.uk", []string{"co.uk"}},
		{"a certificate without domains", "_dnsauth.example.com", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := CheckName(test.raw, test.domains)
			if err == nil {
				t.Fatalf("became %q", got)
			}
			if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 600 || hint.Of(err) == "" {
				t.Errorf("not one short line with a hint: %v", err)
			}
		})
	}
}

func FuzzCheckName(f *testing.F) {
	for _, seed := range []string{"_dnsauth", "_dnsauth.www.example.com.", "_x.例子.com", "_a.@", "*", "_\x00", "_a。b", "K_"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		domains := []string{"www.example.com", "*.example.com"}
		name, err := CheckName(raw, domains)
		if err != nil {
			return
		}
		root, err := publicsuffix.EffectiveTLDPlusOne(name)
		if err != nil || root != "example.com" || name == root || name[0] != '_' || len(name) > maxName {
			t.Errorf("%q became %q", raw, name)
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Contains(name, "..") {
			t.Errorf("%q became %q", raw, name)
		}
		if again, err := CheckName(name, domains); err != nil || again != name {
			t.Errorf("%q became %q, and then %q and %v", raw, name, again, err)
		}
	})
}
