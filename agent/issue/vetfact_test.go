package issue

import (
	"strings"
	"testing"
	"unicode/utf8"

	"dvagent/agent/order"
)

// fault 121: what another host wrote goes into requests, journals and logs.
func TestNoIDOfAnotherHostLeadsElsewhere(t *testing.T) {
	key := strings.Repeat("0f", 32)
	for _, tt := range []struct {
		name    string
		fact    order.Fact
		refused string // what is said; "": it is fit
	}{
		{"an instance", order.Fact{Kind: order.Claimed, Instance: "cas-cn-7pp2_x.1", API: "2020-04-07", Before: "12345"}, ""},
		{"a slot of a package", order.Fact{Kind: order.Claimed, Instance: "symantec-dv-1-starter/www.example", Package: "symantec-dv-1-starter"}, ""},
		{"an order", order.Fact{Kind: order.Submitted, RequestID: "1ED5-4D", Order: "98765"}, ""},
		{"a stock", order.Fact{Kind: order.Submitting, Stock: &order.Stock{Orders: []string{"1", "2"}}}, ""},
		{"a key", order.Fact{Kind: order.Keyed, Key: key}, ""},
		{"an end", order.Fact{Kind: order.Ended, Outcome: order.KeyLost}, ""},

		{"an instance that is a path", order.Fact{Kind: order.Claimed, Instance: "../../etc/passwd"}, "no id"},
		{"an instance that adds a parameter", order.Fact{Kind: order.Claimed, Instance: "cas-1&Action=DeleteUserCertificate"}, "no id"},
		{"an instance of two lines", order.Fact{Kind: order.Claimed, Instance: "cas-1\nx"}, "no id"},
		{"an instance that has no end", order.Fact{Kind: order.Claimed, Instance: strings.Repeat("x", 129)}, "no id"},
		{"an instance that was refused", order.Fact{Kind: order.Refused, Instance: "/"}, "no id"},
		{"a slot of another package", order.Fact{Kind: order.Claimed, Instance: "other/www", Package: "mine"}, "no slot"},
		{"a slot of no certificate", order.Fact{Kind: order.Claimed, Instance: "mine/..", Package: "mine"}, "no slot"},
		{"a package that is none", order.Fact{Kind: order.Claimed, Instance: "a b/www", Package: "a b"}, "no id"},
		{"a certificate before that is none", order.Fact{Kind: order.Claimed, Instance: "cas-1", Before: "1 or 1=1"}, "no id"},
		{"an order that is none", order.Fact{Kind: order.Submitted, Order: "?"}, "no id"},
		{"an order of a stock that is none", order.Fact{Kind: order.Submitting, Stock: &order.Stock{Orders: []string{"1", "\x1b[2J"}}}, "no id"},
		{"an API that there is not", order.Fact{Kind: order.Claimed, Instance: "cas-1", API: "2099-01-01"}, "which there is not"},
		{"a key that is none", order.Fact{Kind: order.Keyed, Key: "../" + key}, "which is none"},
		{"an end that is none", order.Fact{Kind: order.Ended, Outcome: "won"}, "is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := vetFact(tt.fact)
			if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Fatalf("%v, want %q", err, tt.refused)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 300) {
				t.Errorf("it is told as %q", err)
			}
		})
	}
}

func TestTextsOfAnotherHostAreFitForALine(t *testing.T) {
	const text = "a\nb\x1b[2Jc\u202e"
	long := strings.Repeat("证", mostText)
	f, err := vetFact(order.Fact{Kind: order.Ended, Outcome: order.LetGo, Reason: text, Host: text, RequestID: text, Status: text, Code: text, Error: long, Hint: text, Cause: text, Version: "../x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{f.Reason, f.Host, f.RequestID, f.Status, f.Code, f.Hint, f.Cause} {
		if got != "a b [2Jc " {
			t.Errorf("%q", got)
		}
	}
	if len(f.Error) > mostText || !utf8.ValidString(f.Error) || !strings.HasPrefix(f.Error, "证") || f.Version != "" {
		t.Errorf("%d bytes of %q; version %q", len(f.Error), f.Error, f.Version)
	}
}
