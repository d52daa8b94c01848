package dnsvalidate

import (
	"fmt"
	"testing"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// fault 46
func TestTheLongestHostedZoneIsFound(t *testing.T) {
	zones := Zones{
		{Name: "sub.example.com"},
		{Name: "example.com"},
		{Name: "deep.sub.example.com"},
		{Name: "a.co.uk"},
		{Name: "例子.中国", PunyCode: "xn--fsqu00a.xn--fiqs8s"},
		{Name: "公司.cn"},
		{Name: "Capitals.Example.NET."},
		{Name: "co.uk"},
		{Name: ""},
	}
	tests := []struct{ name, fqdn, zone, rr string }{
		{"a name below the apex", "_dnsauth.example.com", "example.com", "_dnsauth"},
		{"a name below a host", "_dnsauth.www.example.com", "example.com", "_dnsauth.www"},
		{"a hosted subzone", "_dnsauth.sub.example.com", "sub.example.com", "_dnsauth"},
		{"a zone below a subzone", "_dnsauth.deep.sub.example.com", "deep.sub.example.com", "_dnsauth"},
		{"a sibling of the subzone", "_dnsauth.notsub.example.com", "example.com", "_dnsauth.notsub"},
		{"the apex", "example.com", "example.com", "@"},
		{"a suffix of two labels", "_dnsauth.a.co.uk", "a.co.uk", "_dnsauth"},
		{"a zone in Unicode with PunyCode", "_dnsauth.xn--fsqu00a.xn--fiqs8s", "xn--fsqu00a.xn--fiqs8s", "_dnsauth"},
		{"a zone in Unicode alone", "_dnsauth.xn--55qx5d.cn", "xn--55qx5d.cn", "_dnsauth"},
		{"a name beside it below the suffix", "_dnsauth.b.co.uk", "co.uk", "_dnsauth.b"},
		{"a zone in capitals with a trailing dot", "_dnsauth.capitals.example.net", "capitals.example.net", "_dnsauth"},
		{"a name in Unicode with capitals", "_DNSAUTH.www.例子.中国.", "xn--fsqu00a.xn--fiqs8s", "_dnsauth.www"},
		{"a name in Unicode", "_dnsauth.公司.cn", "xn--55qx5d.cn", "_dnsauth"},
		{"capitals and a trailing dot", "_DNSAUTH.Example.Com.", "example.com", "_dnsauth"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			zone, rr, err := zones.Find(test.fqdn)
			if err != nil || zone != test.zone || rr != test.rr {
				t.Errorf("got %q in %q and %v, want %q in %q", rr, zone, err, test.rr, test.zone)
			}
		})
	}
}

// fault 46
func TestAZoneIsFoundAmongHundredsOverSeveralPages(t *testing.T) {
	var names []string
	for i := range 250 {
		names = append(names, fmt.Sprintf("zone%d.test", i))
	}
	_, client := cloudWith(t, append(names, "sub.zone249.test", "例子.test")...)
	hosted, err := client.DescribeDomains(t.Context())
	if err != nil || len(hosted) != 252 {
		t.Fatalf("%d zones, %v", len(hosted), err)
	}
	for fqdn, want := range map[string]string{
		"_dnsauth.zone0.test": "zone0.test", "_dnsauth.zone24.test.": "zone24.test", "_dnsauth.www.ZONE249.test": "zone249.test",
		"_dnsauth.sub.zone249.test": "sub.zone249.test", "_dnsauth.xn--fsqu00a.test": "xn--fsqu00a.test",
	} {
		if zone, _, err := Zones(hosted).Find(fqdn); zone != want || err != nil {
			t.Errorf("%s lies in %q, %v", fqdn, zone, err)
		}
	}
}

func TestANameThatNoHostedZoneContainsIsAnErrorWithAHint(t *testing.T) {
	zones := Zones{aliyun.Domain{Name: "example.com"}}
	for _, fqdn := range []string{"_dnsauth.notexample.com", "com", "_dnsauth.example.net"} {
		zone, _, err := zones.Find(fqdn)
		if err == nil || hint.Of(err) == "" {
			t.Errorf("%s: found in %q, %v, hint %q", fqdn, zone, err, hint.Of(err))
		}
	}
}

func TestAQuorumIsAShareOfTheNameServers(t *testing.T) {
	tests := []struct {
		text           string
		visible, total int
		want           bool
	}{
		{"all", 4, 4, true}, {"all", 3, 4, false}, {"all", 0, 0, false},
		{"75%", 3, 4, true}, {"75%", 2, 4, false}, {"75%", 2, 3, false},
		{"1%", 1, 4, true}, {"1%", 0, 4, false}, {"100%", 3, 4, false},
	}
	for _, test := range tests {
		quorum, err := ParseQuorum(test.text)
		if err != nil || quorum.reached(test.visible, test.total) != test.want {
			t.Errorf("%s with %d of %d: want %t, %v", test.text, test.visible, test.total, test.want, err)
		}
	}
	for _, text := range []string{"", "ALL", "75", "0%", "101%", "-1%", "50.5%", "%", "75 %", "300%"} {
		if quorum, err := ParseQuorum(text); err == nil {
			t.Errorf("%q became %v", text, quorum)
		}
	}
}
