// Package proof shows a CA what it wants to see of a domain: it finds the place
// of a proof, foresees what would keep the CA from seeing it, puts it there,
// looks whether it can be seen, and removes it. It knows no order's steps; what
// is recorded, and when, is said to it as a Ledger.
package proof

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/filevalidate"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

// Prover shows proofs: *DNS by records, *Files by files, and *Both by either.
type Prover interface {
	// Sites finds where the domains are to be proved, before a challenge is known.
	// An error tells of the domains for which no proof could be put.
	Sites(ctx context.Context, s Subject, domains []string) ([]Site, error)
	// Foresee looks for what would make a validation at the site fail, or slow.
	Foresee(ctx context.Context, s Subject, at Site) ([]Finding, error)
	// Put answers a challenge. ours is false when somebody else's proof stood there
	// before: it serves, and is left alone.
	Put(ctx context.Context, s Subject, c order.Challenge, ledger Ledger) (record order.Record, ours bool, err error)
	// Look asks once whether the proof can be seen.
	Look(ctx context.Context, r order.Record) (Sight, error)
	// Restore puts a proof of ours once more that is no longer where it was put. What
	// stands there by now is left as it is. An error says that it could not be put;
	// what cannot be told at the moment is none.
	Restore(ctx context.Context, r order.Record, ledger Ledger) (restored bool, err error)
	// Interval is how long to wait after so many looks without success.
	Interval(looks int) time.Duration
	// Remove takes a proof away; one that is gone already is a success.
	Remove(ctx context.Context, r order.Record, ledger Ledger) error
}

// Subject is the certificate that is proved, and the account whose zones, or the
// webroot, its proofs go into.
type Subject struct{ Certificate, Account, Webroot string }

// Site is where some of a certificate's domains are to be proved, as far as
// that can be told before a challenge is known.
type Site struct {
	Place   Place
	Domains []string
}

// Finding is what an operator should know of a site before an order is placed.
type Finding = dnsvalidate.Finding

// Ledger makes facts about a proof durable.
type Ledger interface {
	// Asked says that the proof may stand there because of us.
	Asked(r order.Record) bool
	// Others says that another certificate's proof may stand at the same place.
	Others(r order.Record) bool
	// Made is how many of the directories above a file were made by us.
	Made(r order.Record) int
	// Note records order.Adding, Added, Kept, Removing or Removed.
	Note(kind order.Kind, r order.Record) error
}

// Owed is the Ledger of a certificate's proofs that belong to no order.
type Owed struct {
	Records     *order.Owed
	Certificate string
}

// Asked says that the ledger knows the record.
func (o Owed) Asked(r order.Record) bool { return o.Records.Has(o.Certificate, r) }

// Made is what the ledger knows of the directory.
func (o Owed) Made(r order.Record) int { return o.Records.Made(r) }

// Others says that the ledger knows one of another certificate there.
func (o Owed) Others(r order.Record) bool { return o.Records.Holds(o.Certificate, r) }

// Note records what becomes of the record.
func (o Owed) Note(kind order.Kind, r order.Record) error {
	return o.Records.Note(kind, o.Certificate, r)
}

// Sight is what a look at a proof has shown.
type Sight struct {
	Shown   bool     // by all that were asked
	Enough  bool     // by the quorum
	Said    string   // in words
	LeftOut []string // what the quorum leaves out, in words
}

// Check makes a challenge of what a server asks for: of a known kind, with a
// name that is one of the domains' and whole, and that means a validation by this
// CA: who answers for the server is not to prove to others, such as an ACME CA,
// what he likes. last is the last order's name, whose label is known. A relative
// name that may belong to several registered domains makes a challenge in each.
func Check(c order.Challenge, domains []string, last string) ([]order.Challenge, error) {
	if n := max(len(c.Kind), len(c.Domain), len(c.Name), len(c.Value)); n > longest {
		return nil, hint.Add(fmt.Errorf("the CA wants a validation with a text of %d bytes", n), refused)
	}
	if c.Kind == order.File {
		return checkFile(c, domains)
	}
	if c.Kind != order.TXT && c.Kind != order.CNAME {
		return nil, hint.Add(fmt.Errorf("the CA wants a validation of type %q", c.Kind), "dvagent can only write TXT and CNAME records, and files")
	}
	if name := strings.TrimSuffix(strings.ToLower(c.Name), "."); c.Kind == order.TXT && c.Domain != "" && isHost(name, domains) {
		if !token().MatchString(c.Value) {
			return nil, hint.Add(fmt.Errorf("the CA wants the TXT record %q at the host %s", line.Of(c.Value), name), refused)
		}
		c.Name = name // a TXT record beside what the host has already
		return []order.Challenge{c}, nil
	}
	name, err := dnsvalidate.CheckName(c.Name, domains)
	names := []string{name}
	if err != nil {
		if names = relativeTo(c, domains); len(names) == 0 {
			return nil, hint.Add(err, refused)
		}
	}
	if label := labelOf(names[0]); label != usualLabel && label != labelOf(last) && (c.Kind == order.TXT || !random().MatchString(label)) {
		return nil, hint.Add(fmt.Errorf("the CA wants a %s record with the label %q, which does not mean a validation by CAS", c.Kind, label), refused)
	}
	challenges := make([]order.Challenge, len(names))
	for i, name := range names {
		challenges[i] = c
		challenges[i].Name = name
	}
	return challenges, nil
}

// checkFile is Check for a file.
func checkFile(c order.Challenge, domains []string) ([]order.Challenge, error) {
	place, err := filevalidate.CheckURL(c.Name, c.Domain, domains)
	if err == nil {
		err = filevalidate.CheckContent(c.Value)
	}
	if err != nil {
		return nil, err
	}
	c.Name = place.URL()
	return []order.Challenge{c}, nil
}

// FileHost is the host that a file is asked for of, or "".
func FileHost(c order.Challenge) string { return filevalidate.HostOf(c.Name, c.Domain) }

// Agree refuses files that cannot be in one webroot at the same time.
func Agree(challenges []order.Challenge) error {
	contents := map[string]string{}
	for _, c := range challenges {
		if c.Kind != order.File {
			continue
		}
		path := filevalidate.ParsePlace(c.Name).Path
		if content, known := contents[path]; known && content != c.Value {
			return hint.Add(fmt.Errorf("the CA wants different files at %s of the certificate's domains, which share a webroot", path),
				"order a certificate for each domain, each with a webroot of its own")
		}
		contents[path] = c.Value
	}
	return nil
}

// refused is the hint for what nobody should write.
const refused = "this is not a name to write at: ask Alibaba Cloud's support"

// longest bounds each text of a challenge: it is written into a zone and kept in
// journals.
const longest = 1 << 10

var (
	token  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]{16,}$`) })       // no policy, and no proof of another kind
	random = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^_[0-9a-z]*\d[0-9a-z]{7,}$`) }) // of a CNAME: no label with a meaning looks so
)

const usualLabel = "_dnsauth"

// labelOf is what stands before the host name.
func labelOf(name string) string {
	label, _, _ := strings.Cut(name, ".")
	return label
}

// relativeTo are the names that a relative one may stand for: that of the domain
// which the challenge is for, or else one in each registered domain.
func relativeTo(c order.Challenge, domains []string) (names []string) {
	if slices.Contains(domains, c.Domain) {
		domains = []string{c.Domain}
	}
	for _, domain := range domains {
		name, err := dnsvalidate.CheckName(c.Name, []string{domain})
		if err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// isHost says that a name is that of one of the domains, or of a wildcard's
// parent.
func isHost(name string, domains []string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool { return strings.TrimPrefix(domain, "*.") == name })
}

// Relative says that a name which a server gave is a host value in the zone of
// the domains, and not a whole name.
func Relative(name string, domains []string) bool {
	whole, err := dnsvalidate.CheckName(name, domains)
	return err == nil && whole != name
}

// UsualName is where CAS commonly wants the proof of a domain. It is what is
// looked at before an order; where the proof goes, the challenge says.
func UsualName(domain string) string { return usualLabel + "." + strings.TrimPrefix(domain, "*.") }

// expectedName is the last order's validation name where it was the domain's, else the
// usual one: it lies under the domain, or right under a parent of it that is none of
// the domains.
func expectedName(last, domain string, domains []string) string {
	host := strings.TrimPrefix(domain, "*.")
	name, err := dnsvalidate.CheckName(last, domains)
	if last == "" || err != nil {
		return UsualName(domain)
	}
	_, parent, _ := strings.Cut(name, ".")
	if strings.HasSuffix(name, "."+host) || strings.HasSuffix(host, "."+parent) && !isHost(parent, domains) {
		return name
	}
	return UsualName(domain)
}
