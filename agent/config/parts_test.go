package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// certificateTables is a text with so many certificates that it is decoded in parts.
func certificateTables(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "[[certificate]]\nname = \"c%d\"\ndomains = [\n  \"c%d.example.com\",\n]\n[[certificate.deploy]]\nkey = \"/k%d\" # [[hook]]\n", i, i, i)
	}
	return text.String()
}

func TestPartsAmountToTheWhole(t *testing.T) {
	many := certificateTables(3*manyTables + 7)
	for _, tt := range []struct {
		name, text string
		parts      bool // it is decoded in parts
	}{
		{"nothing but certificates", many, true},
		{"keys and tables before and after them", "state_dir = \"/s\"\n[limits]\nparallel_orders = 7\n" + many + "[account.main]\nregion = \"x\"\n", true},
		{"tables between them", certificateTables(manyTables+1) + "[[hook]]\non = [\"issued\"]\n" + many + "[service]\ninterval = \"2h\"\n", true},
		{"tables with blanks and carriage returns", strings.ReplaceAll("\t"+many, "\n", " \r\n"), true},
		{"few certificates", certificateTables(manyTables), false},
		{"a deployment after another table", many + "[[hook]]\n[[certificate.deploy]]\nkey = \"/x\"\n", false},
		{"another spelling of a header", many + "[[ certificate ]]\nname = \"x\"\n", false},
		{"a header with a comment", many + "[[certificate]] # of x\nname = \"x\"\n", false},
		{"a table within the last certificate", many + "[certificate.contact]\nname = \"x\"\n", false},
		{"a header within a string of several lines", many + "x = \"\"\"\n[[certificate]]\n\"\"\"\n", false},
		{"a header within a literal string of several lines", many + "x = '''\n[[certificate]]\n'''\n", false},
		{"certificates that are no tables as well", "certificate = []\n" + many, false},
		{"an unknown key of a certificate", many + "colour = \"red\"\n", false},
		{"an unknown table", "[colour]\n" + many, false},
		{"a value of another type", strings.Replace(many, `"c300"`, "300", 1), false},
		{"no TOML", strings.Replace(many, `"c300"`, `"c300`, 1), false},
		{"accounts that are no tables", "account = [1]\n" + many, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := newDocument()
			_, parts := decodeParts(tt.text, &got)
			if parts != tt.parts {
				t.Fatalf("in parts: %v", parts)
			}
			if !parts {
				if untouched := newDocument(); !reflect.DeepEqual(got, untouched) {
					t.Error("the document was touched")
				}
				return
			}
			whole := newDocument()
			if _, err := decodeTOML(tt.text, &whole); err != nil || !reflect.DeepEqual(got, whole) {
				t.Errorf("differs from the whole, %v", err)
			}
		})
	}
}

func TestAPlaceIsTheSameInALongText(t *testing.T) {
	text := certificateTables(3*manyTables) + "colour = \"red\"\n"
	doc := newDocument()
	_, err := decode(text, &doc)
	if e, ok := err.(*Error); !ok || e.Line != strings.Count(text, "\n") || e.Key != fmt.Sprintf("certificate[%d].deploy[0].colour", 3*manyTables-1) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkTenThousandCertificates(b *testing.B) {
	text := certificateTables(10_000)
	b.ReportAllocs()
	for b.Loop() {
		doc := newDocument()
		if _, err := decode(text, &doc); err != nil || len(doc.Certificate) != 10_000 {
			b.Fatal(err)
		}
	}
}
