package agent

import (
	"context"
	"maps"
	"slices"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/dnsvalidate"
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
}

// Trace looks at a certificate's last challenge, or at any DNS name. It needs
// no order and changes nothing. *UnknownError says that the target is neither.
// Beside an error stands what was asked until then.
func (a *Agent) Trace(ctx context.Context, target string) (Walk, error) {
	walk, value, accounts, err := a.traced(target)
	if err != nil {
		return Walk{}, err
	}
	for _, account := range accounts {
		zones, err := a.zonesOf(ctx, account)
		if err == nil {
			walk.Zone, _, err = zones.Find(walk.Name)
		}
		if walk.Account, walk.ZoneErr = account, err; err == nil {
			break
		}
	}
	walk.Trace, err = a.prover.Trace(ctx, dnsvalidate.Question{Zone: walk.Zone, Name: walk.Name, Value: value})
	return walk, err
}

// traced says which name and value the target stands for, and which accounts
// may host it.
func (a *Agent) traced(target string) (walk Walk, value string, accounts []string, err error) {
	if certificate, known := a.config.Certificate(target); known {
		challenge, why, err := a.lastChallenge(certificate)
		return Walk{Name: challenge.Name, Why: why}, challenge.Value, []string{certificate.DNSAccount}, err
	}
	name, ok := dnsvalidate.HostName(target)
	if !ok {
		return Walk{}, "", nil, &UnknownError{target}
	}
	return Walk{Name: name, Why: "as given"}, "", slices.Sorted(maps.Keys(a.config.Accounts)), nil
}

// lastChallenge is the open order's, with its value, or else where the last one
// was, or else where the CA will likely want it.
func (a *Agent) lastChallenge(certificate config.Certificate) (challenge order.Challenge, why string, err error) {
	open, err := order.Load(a.dir(certificate.Name))
	if err == nil && open != nil && open.Challenge != nil {
		return *open.Challenge, "the open order's challenge", nil
	}
	last := ""
	if err == nil {
		last, err = a.lastName(certificate.Name)
	}
	if last != "" {
		return order.Challenge{Name: last}, "the last order's challenge, which has ended", nil
	}
	name := usualLabel + strings.TrimPrefix(certificate.Domains[0], "*.")
	return order.Challenge{Name: name}, "the usual name of a challenge", hint.Add(err, "dvagent check --online --trace "+name+" needs no order")
}
