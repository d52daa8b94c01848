package issue

import (
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// fault 139
func TestARunningOrderIsForTheOneCertificateWhoseNameItsChallengeLiesUnder(t *testing.T) {
	cfg := &config.Config{StateDir: t.TempDir()}
	for name, domains := range map[string][]string{
		"example.com": {"example.com"}, "shop": {"shop.example.com"}, "news.shop": {"news.shop.example.com"},
		"org": {"example.org"}, "org-www": {"example.org", "www.example.org"},
	} {
		cfg.Certificates = append(cfg.Certificates, config.Certificate{Name: name, Domains: domains, Account: "main"})
	}
	d, err := Open(state.NewHost(cfg, nil, nil), state.Scope{}, Tools{Memory: NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, asked string
		want        string
		known       bool
	}{
		{"right at one certificate's", "_dnsauth.example.com", "example.com", true},
		{"below one certificate's, and right at none", "_dnsauth.api.example.com", "", true},
		{"right at one that lies below another", "_dnsauth.Shop.example.com.", "shop", true},
		{"right at one further below", "_x.news.shop.example.com", "news.shop", true},
		{"two certificates of one name are told apart by nothing", "_dnsauth.example.org", "", true},
		{"a foreign name", "_dnsauth.example.net", "", true},
		{"no name yet", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := Report{State: Proving}
			if tt.asked != "" {
				report.Challenges = []order.Challenge{{Kind: order.TXT, Name: tt.asked, Value: "x"}}
			}
			got, known := d.claimant("main", report)
			if got != tt.want || known != tt.known {
				t.Errorf("got %q, %v", got, known)
			}
		})
	}
}
