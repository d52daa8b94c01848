// Package dnsvalidate turns a challenge into a validation record, which is a TXT
// record or a CNAME: it checks the name that the server asks for, finds the zone
// that the name lies in, publishes the record, looks for it at the name servers,
// and removes it. It knows no orders and keeps no journal; what to record, when
// to look again and when to give up is the caller's business. It logs nothing,
// and never touches a record that is not exactly the one named.
package dnsvalidate

import (
	"strings"

	"golang.org/x/net/idna"
)

// Settings say whom to ask, and where records may be written.
type Settings struct {
	Resolvers       []string // host:port; empty: the system's
	NameServers     []string // host:port; when set, asked instead of those found
	PublicResolvers []string // host:port; asked once the name servers agree
	Quorum          Quorum
	Delegate        []string // zones that a CNAME at the validation name may lead into
}

// DelegateZone returns the longest of the Delegate zones that name lies in, as
// an A-label name, or "": then no CNAME may be followed to name. It is "" too
// where name is none that a record can be written at.
func (s Settings) DelegateZone(name string) string {
	name = canonical(name)
	if checkSyntax(name) != nil {
		return ""
	}
	longest := ""
	for _, zone := range s.Delegate {
		if zone = canonical(zone); within(name, zone) && len(zone) > len(longest) {
			longest = zone
		}
	}
	return longest
}

// canonical spells a name in lower case, in A-labels and without the trailing
// dot, so that names can be compared. A label that IDNA refuses is kept as it
// is, and then equals no hosted name.
func canonical(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for i, label := range labels {
		labels[i] = strings.ToLower(label)
		if isASCII(label) {
			continue // IDNA would refuse "_dnsauth", "@" and "*"
		}
		if ascii, err := idna.Lookup.ToASCII(label); err == nil {
			labels[i] = ascii
		}
	}
	return strings.Join(labels, ".")
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// within says that name is zone or lies below it; both are canonical.
func within(name, zone string) bool {
	return zone != "" && (name == zone || below(name, zone))
}

func below(name, zone string) bool { return strings.HasSuffix(name, "."+zone) }
