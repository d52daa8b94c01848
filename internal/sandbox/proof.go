package sandbox

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Proof is what the CA wants to see of one domain.
type Proof struct {
	Domain string    `json:"Domain"` // the name under proof, in A-labels
	Root   string    `json:"Root"`   // its registered domain
	Type   string    `json:"Type"`   // TXT, CNAME or FILE
	Key    string    `json:"Key"`    // the record's name relative to Root, "@" for Root itself
	Name   string    `json:"Name"`   // the record's whole name; of a file its URL without the scheme
	Value  string    `json:"Value"`
	Seen   time.Time `json:"Seen"` // when all name servers, or all addresses, showed it; zero before
}

// newProof wants a TXT record at a name for a domain.
func newProof(domain, name string) Proof {
	p := Proof{Domain: domain, Root: registered(domain), Type: "TXT", Value: newToken()}
	return p.at(name)
}

// at moves a proof to another name.
func (p Proof) at(name string) Proof {
	p.Name, p.Key = name, relative(name, p.Root)
	return p
}

// alias makes a proof a CNAME at a random label under its root, as some CAs want it.
func (p Proof) alias() Proof {
	p.Type, p.Value = "CNAME", randomText(32, hexadecimal)+".dcv."+home
	return p.at("_" + randomText(32, hexadecimal) + "." + p.Root)
}

// fileProofs want one file of each name, at the URL that the CA's guidelines give
// it. What it holds is the same for all.
func fileProofs(domains []string) []Proof {
	var proofs []Proof
	value := newToken()
	for _, domain := range domains {
		p := newProof(domain, domain)
		p.Type, p.Value = "FILE", value
		proofs = append(proofs, p.file(".well-known/pki-validation/fileauth.txt"))
	}
	return proofs
}

// file moves a proof to a path of its host.
func (p Proof) file(path string) Proof {
	p.Name, p.Key = p.Domain+"/"+path, path
	return p
}

// anew is the same proof with another value, that nobody has seen.
func (p Proof) anew() Proof {
	p.Value, p.Seen = newToken(), time.Time{}
	return p
}

// proofsPerZone wants one record for all names of a zone, at its apex or, where
// the account does not host the zone, at the registered domain.
func proofsPerZone(zones []*zone, domains []string) []Proof {
	var proofs []Proof
	for _, domain := range domains {
		zone := registered(domain)
		if z := enclosing(zones, strings.TrimPrefix(domain, "*.")); z != nil {
			zone = z.punycode
		}
		name := validationName(zone)
		if !slices.ContainsFunc(proofs, func(p Proof) bool { return p.Name == name }) {
			proofs = append(proofs, newProof(domain, name))
		}
	}
	return proofs
}

// proofsPerName wants a record for each name.
func proofsPerName(domains []string) []Proof {
	var proofs []Proof
	for _, domain := range domains {
		proofs = append(proofs, newProof(domain, validationName(domain)))
	}
	return proofs
}

// validationName is where the TXT record for a domain goes.
func validationName(domain string) string { return "_dnsauth." + strings.TrimPrefix(domain, "*.") }

// registered is the domain that someone could buy, above a name or the name itself.
func registered(domain string) string {
	name := strings.TrimPrefix(domain, "*.")
	if root, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return root
	}
	return name
}

// relative is a name as a record of a zone.
func relative(name, zone string) string {
	if name == zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+zone)
}

func newToken() string {
	return time.Now().UTC().Format("20060102") + "0000000" + randomText(45, alphanumeric)
}
