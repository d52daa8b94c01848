package check

import (
	"context"
	"maps"
	"slices"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/dnsvalidate"
	"dvagent/filevalidate"
	"dvagent/internal/hint"
)

// Walk is a look at a challenge's name, from the zone down, with each question
// that it took.
type Walk struct {
	dnsvalidate.Trace
	Name    string // what was looked at
	Why     string // why it was that name
	Account string // that hosts Zone
	Zone    string // the zone by the account's list; "" when there is none
	ZoneErr error  // why there is none

	Webroot string               // where the file of a certificate goes; then nothing above counts but Name and Why
	File    string               // what the file is to hold, or ""
	Visits  []filevalidate.Visit // to the addresses of the host
}

// String is the verdict in one line.
func (w Walk) String() string {
	if w.Webroot != "" {
		return filevalidate.Verdict{URL: w.Name, Visits: w.Visits}.String()
	}
	return w.Trace.String()
}

// Trace looks at a certificate's last challenge, or at any DNS name. It needs
// no order and changes nothing. *state.UnknownError says that the target is neither.
// Beside an error stands what was asked until then.
func (c *Check) Trace(ctx context.Context, target string) (Walk, error) {
	if certificate, known := c.host.Config.Certificate(target); known && certificate.Webroot != "" {
		return c.visit(ctx, certificate)
	}
	walk, value, accounts, err := c.traced(target)
	if err != nil {
		return Walk{}, err
	}
	for _, account := range accounts {
		walk.Account = account
		if walk.Zone, walk.ZoneErr = c.zones.Hosting(ctx, account, walk.Name); walk.ZoneErr == nil {
			break
		}
	}
	walk.Trace, err = c.zones.Trace(ctx, dnsvalidate.Question{Zone: walk.Zone, Name: walk.Name, Value: value})
	return walk, err
}

// visit asks for the file of the open order, or for one that is not there at the
// usual place.
func (c *Check) visit(ctx context.Context, certificate config.Certificate) (Walk, error) {
	walk := Walk{Webroot: certificate.Webroot, Why: "the usual place, for a file that is not there",
		Name: filevalidate.Place{Host: certificate.Domains[0], Path: filevalidate.Usual + "/fileauth.txt"}.URL()}
	open, err := order.Load(c.host.Dir.Certificate(certificate.Name))
	if err != nil {
		return Walk{}, err
	}
	if open != nil && len(open.Challenges) > 0 && open.Challenges[0].Kind == order.File {
		walk.Name, walk.File, walk.Why = open.Challenges[0].Name, open.Challenges[0].Value, "the open order's challenge"
	}
	verdict, err := proof.NewFiles(proof.NewDNS(c.zones)).Trace(ctx, walk.Name, walk.File)
	walk.Visits = verdict.Visits
	return walk, err
}

// traced says which name and value the target stands for, and which accounts
// may host it.
func (c *Check) traced(target string) (walk Walk, value string, accounts []string, err error) {
	if certificate, known := c.host.Config.Certificate(target); known {
		challenge, why, err := c.lastChallenge(certificate)
		return Walk{Name: challenge.Name, Why: why}, challenge.Value, []string{certificate.DNSAccount}, err
	}
	name, ok := dnsvalidate.HostName(target)
	if !ok {
		return Walk{}, "", nil, c.host.Unknown(target)
	}
	return Walk{Name: name, Why: "as given"}, "", slices.Sorted(maps.Keys(c.host.Config.Accounts)), nil
}

// lastChallenge is the open order's, with its value, or else where the last one
// was, or else where the CA will likely want it.
func (c *Check) lastChallenge(certificate config.Certificate) (challenge order.Challenge, why string, err error) {
	open, err := order.Load(c.host.Dir.Certificate(certificate.Name))
	if err == nil && open != nil && len(open.Challenges) > 0 {
		return open.Challenges[0], "the open order's challenge", nil
	}
	last := ""
	if err == nil {
		last, err = c.zones.LastName(certificate.Name)
	}
	if last != "" {
		return order.Challenge{Name: last}, "the last order's challenge, which has ended", nil
	}
	name := proof.UsualName(certificate.Domains[0])
	return order.Challenge{Name: name}, "the usual name of a challenge", hint.Add(err, "dvagent check --online --trace "+name+" needs no order")
}
