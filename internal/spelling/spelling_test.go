package spelling_test

import (
	"strings"
	"testing"

	"dvagent/internal/spelling"
)

// fault 186
func TestTheWordThatWasMeantIsFound(t *testing.T) {
	commands := strings.Fields("run renew plan status check deploy rollback abandon orders certs contacts sandbox version")
	keys := strings.Fields("name domains account dns_account contact instances renew_before fullchain key cert chain key_mode mode check reload")
	for _, tt := range []struct {
		name, written string
		words         []string
		want          string
	}{
		{"a letter too few", "stats", commands, "status"},
		{"a letter too many", "rennew", commands, "renew"},
		{"another letter", "chack", commands, "check"},
		{"two that changed places", "paln", commands, "plan"},
		{"two that changed places at the end", "renwe", commands, "renew"},
		{"capitals", "Status", commands, "status"},
		{"the singular", "domain", keys, "domains"},
		{"a hyphen", "renew-before", keys, "renew_before"},
		{"its beginning", "renew", keys, "renew_before"},
		{"its end", "fullchain_file", []string{"fullchain", "key"}, "fullchain"},
		{"another word", "frobnicate", commands, ""},
		{"few letters", "x", commands, ""},
		{"nothing", "", commands, ""},
		{"no words", "renew", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := spelling.Nearest(tt.written, tt.words); got != tt.want {
				t.Errorf("%q is taken for %q, want %q", tt.written, got, tt.want)
			}
		})
	}
}
