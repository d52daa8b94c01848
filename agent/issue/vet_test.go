package issue

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/dnsvalidate"
	"dvagent/internal/bundle"
)

// fault 121: what stands in etcd of an order is taken over only as far as it can be that
// of an order for these names.
func TestAnOrderOfAnotherHostIsGoneOnWithOnlyWhereItFits(t *testing.T) {
	key, err := bundle.MakeKey("ec256")
	if err != nil {
		t.Fatal(err)
	}
	id, err := bundle.KeyID(key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := bundle.MakeKey("ec256")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Certificate{Name: "www", Domains: []string{"example.com", "*.example.com"}, Account: "main", DNSAccount: "zones", Webroot: "/srv/www"}
	cfg := &config.Config{StateDir: t.TempDir(), Accounts: map[string]config.Account{"main": {}, "zones": {}},
		DNS: config.DNS{Settings: dnsvalidate.Settings{Delegate: []string{"validation.example.net"}}}, Certificates: []config.Certificate{c}}
	d, err := Open(state.NewHost(cfg, nil, nil), state.Scope{}, Tools{Memory: NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	const value = "202611270000004abcdefghijklmnop"
	challenge := order.Challenge{Kind: order.TXT, Domain: "example.com", Name: "_dnsauth.example.com", Value: value}
	record := order.Record{Account: "zones", Zone: "example.com", RR: "_dnsauth", Name: "_dnsauth.example.com", Value: value, RecordID: "7"}
	led := order.Record{Account: "zones", Zone: "validation.example.net", RR: "www", Name: "www.validation.example.net", For: "_dnsauth.example.com", Value: value}
	type parts struct {
		opened    order.Fact
		instance  string
		challenge order.Challenge
		record    order.Record
		key       []byte
	}
	for _, tt := range []struct {
		name    string
		change  func(*parts)
		refused string // what is said; "": it fits
	}{
		{"it fits", func(*parts) {}, ""},
		{"its record stands where a CNAME leads", func(p *parts) { p.record = led }, ""},
		{"it is for fewer names", func(p *parts) { p.opened.Domains = []string{"example.com"} }, "it is for example.com"},
		{"it is for other names", func(p *parts) { p.opened.Domains = []string{"example.org", "*.example.org"} }, "it is for"},
		{"it is placed on an account of others", func(p *parts) { p.opened.Account = "strange" }, "not configured here"},
		{"its instance is none", func(p *parts) { p.instance = "cas-1/../2" }, "no id"},
		{"its key is another one", func(p *parts) { p.key = other }, "another one"},
		{"its key is none", func(p *parts) { p.key = []byte("nothing") }, "private key"},
		{"its key is not there", func(p *parts) { p.key = nil }, "private key"},
		{"its challenge is for a host of others", func(p *parts) { p.challenge.Name = "_dnsauth.example.org" }, "example.org"},
		{"its challenge does not mean a validation", func(p *parts) { p.challenge.Name = "_acme-challenge.example.com" }, "_acme-challenge"},
		{"its record answers no challenge", func(p *parts) { p.record.Value = "v=spf1 -all" }, "answers no challenge"},
		{"its record stands elsewhere in the zone", func(p *parts) { p.record.RR = "www" }, "answers no challenge"},
		{"its record is of an account of others", func(p *parts) { p.record.Account = "strange" }, "not configured here"},
		{"its record stands in another zone", func(p *parts) { p.record.Zone = "example.org" }, "answers no challenge"},
		{"its record is said to stand in a zone above", func(p *parts) { p.record.Zone, p.record.RR = "com", "_dnsauth.example" }, ""},
		{"a CNAME is said to lead elsewhere", func(p *parts) {
			p.record = led
			p.record.Zone, p.record.Name = "example.org", "www.example.org"
		}, "answers no challenge"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := parts{order.Fact{Kind: order.Opened, Domains: c.Domains, Account: "main", DNSAccount: "theirs", Webroot: "/etc", Number: 1, Host: "a"}, "cas-1", challenge, record, key}
			tt.change(&p)
			facts := []order.Fact{p.opened, {Kind: order.Claimed, Instance: p.instance}, {Kind: order.Keyed, Key: id}, {Kind: order.Submitting},
				{Kind: order.Submitted}, {Kind: order.Challenged, Challenge: &p.challenge}, {Kind: order.Added, Record: &p.record},
				{Kind: order.Collected, Version: "../../etc"}}
			for i := range facts {
				facts[i].At = time.Unix(int64(i+1), 0)
			}
			known := Known{Host: "a", Facts: facts, Key: p.key}
			vetted, err := d.vetted(state.Snapshot{Config: c}, known, known.order("www"))
			if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Fatalf("%v, want %q", err, tt.refused)
			}
			if err != nil {
				return
			}
			o := order.Replay("www", vetted)
			if o.DNSAccount != "zones" || o.Webroot != "/srv/www" || o.Version != "" || o.Records[0].Record.RecordID != "" || o.Step() != order.Present {
				t.Errorf("taken over as %+v", o)
			}
		})
	}
}
