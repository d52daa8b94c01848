package sandbox

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// wire is the record under the name that was asked for, nil when its value
// cannot be one of its type.
func (r Record) wire(name string) dns.RR {
	if r.Type == "TXT" {
		return &dns.TXT{Hdr: header(name, dns.TypeTXT, r.TTL), Txt: characterStrings(r.Value)}
	}
	value := r.Value
	switch r.Type {
	case "MX":
		value = fmt.Sprintf("%d %s", r.Priority, dns.Fqdn(value))
	case "CNAME", "NS":
		value = dns.Fqdn(value)
	}
	if strings.ContainsAny(value, "\r\n\x00") {
		return nil
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", dns.Fqdn(name), r.TTL, r.Type, value))
	if err != nil || rr == nil {
		return nil
	}
	return rr
}

// characterStrings cuts a TXT value into strings of 255 bytes, escaped as the
// dns package holds them.
func characterStrings(value string) []string {
	var cut []string
	for len(value) > 255 {
		cut, value = append(cut, value[:255]), value[255:]
	}
	cut = append(cut, value)
	for i := range cut {
		cut[i] = escape.Replace(cut[i])
	}
	return cut
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
