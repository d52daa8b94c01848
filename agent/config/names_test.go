package config

import (
	"fmt"
	"strings"
	"testing"
)

// fault 155
func TestANameIsReadInOneWayWhereverItIsWritten(t *testing.T) {
	const name, ascii = "例子.中国", "xn--fsqu00a.xn--fiqs8s"
	written := strings.ReplaceAll(`
[dns]
resolvers = ["NAME:53"]
nameservers = ["NAME:53"]
public_resolvers = ["NAME:53"]
delegate = ["NAME"]
caa_issuers = ["NAME"]
[[notify]]
name = "mail"
kind = "email"
smtp = "NAME:25"
from = "ops@NAME"
to = ["Ops <ops@NAME>"]
[[certificate]]
name = "names"
domains = ["NAME", "*.NAME"]
  [[certificate.deploy]]
  cert = "/tls/names.pem"
  probe = ["NAME:443", "smtp://NAME:25"]
  probe_server_name = "*.NAME"
`, "NAME", name)
	c, err := load(t, sound+written)
	if err != nil {
		t.Fatal(err)
	}
	last := c.Certificates[len(c.Certificates)-1]
	dns, mail := c.DNS.Settings, c.Notify[0].Mail
	got := fmt.Sprintln(dns.Resolvers, dns.NameServers, dns.PublicResolvers, dns.Delegate, c.DNS.CAAIssuers,
		mail.Server, mail.From, mail.To, last.Domains, last.Deploy[0].ServerName)
	want := strings.ReplaceAll("[NAME:53] [NAME:53] [NAME:53] [NAME] [NAME] NAME:25 ops@NAME [Ops <ops@NAME>] [NAME *.NAME] *.NAME", "NAME", ascii)
	if strings.TrimSpace(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, err = load(t, sound+strings.Replace(written, `probe_server_name = "*.`+name, "probe_server_name = \"a\u00a0b.example", 1))
	if err == nil || !strings.Contains(err.Error(), "is not a host name") {
		t.Errorf("error %v", err)
	}
}
