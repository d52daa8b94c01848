package issue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// running is what the account's orders that nobody here claimed turned out to be.
type running struct {
	ours      map[string]Slot // by the certificate that they are for
	undecided string          // one that does not say yet whose it is, or ""
}

// adopt goes on with an order that somebody else submitted for our names, such
// as another host.
func (w *work) adopt(slot Slot) error {
	claim := order.Claim{Instance: slot.ID, Until: slot.Until, Adopted: true, API: w.issuer.Terms().API}
	taken, err := w.desk.ledger.Claim(w.order.Account, w.name(), claim)
	if err != nil {
		return err
	}
	if !taken {
		return fmt.Errorf("instance %s is being adopted by another certificate", slot.ID)
	}
	w.say(order.Allocate, "adopted the running order of instance "+slot.ID)
	return w.order.Claim(claim)
}

// findAdoptable asks each instance that is being checked and that nobody here
// has claimed for whose name it is.
func (d *Desk) findAdoptable(ctx context.Context, account string, slots []Slot) (running, error) {
	found := running{ours: map[string]Slot{}}
	issuer, err := d.issuer(ctx, Shop{Account: account})
	if err != nil {
		return found, err
	}
	for _, slot := range slots {
		instance := order.Instance{Account: account, ID: slot.ID}
		if err := d.noteFree(instance, slot); err != nil {
			return found, err
		}
		if issuer.Terms().OwnKey || !d.unclaimed(instance, slot) { // a key of others is of no use
			continue
		}
		report, err := issuer.Report(ctx, Ticket{Slot: slot.ID})
		if err != nil {
			return found, err
		}
		name, known := d.claimant(account, report)
		switch {
		case name != "":
			found.ours[name] = slot
		case !known:
			found.undecided = slot.ID
		default:
			err = d.ledger.Note(order.InstanceForeign, instance, "")
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// unclaimed says that a running order may be adopted, as far as we know.
func (d *Desk) unclaimed(instance order.Instance, slot Slot) bool {
	return slot.Use == Busy && d.ledger.Holder(instance) == "" && !d.ledger.Foreign(instance) && !d.ledger.Abandoned(instance)
}

// noteFree lifts the ban on an abandoned instance, and forgets that it was
// foreign, once the server says that it can be submitted again.
func (d *Desk) noteFree(instance order.Instance, slot Slot) error {
	banned := d.ledger.Abandoned(instance) || d.ledger.Foreign(instance)
	if !banned || slot.Use != Free && slot.Use != Again && slot.Use != Refused {
		return nil
	}
	return d.ledger.Note(order.InstanceFree, instance, "")
}

// claimant is the one certificate of the account that a running order is for,
// or "". known says that the answer was enough to tell.
func (d *Desk) claimant(account string, report Report) (name string, known bool) {
	if report.State == Issued {
		b, err := bundle.Parse(report.Chain, report.Key)
		if err != nil {
			return "", false
		}
		return d.closest(account, func(c config.Certificate) int {
			if state.Uncovered(b.Leaf, c.Domains) != "" {
				return 0
			}
			return len(c.Domains)
		}), true
	}
	if len(report.Challenges) == 0 {
		return "", false
	}
	asked := report.Challenges[0]
	name = d.closest(account, func(c config.Certificate) int { return proves(asked, c.Domains) })
	return name, name != "" || strings.Count(strings.TrimSuffix(asked.Name, "."), ".") > 1
}

// proves says how well a challenge goes with the domains: its file is one of
// theirs, or its validation name lies right at one of them, or else at the parent of
// one, or is relative to their zone.
func proves(c order.Challenge, domains []string) (best int) {
	if c.Kind == order.File {
		if slices.Contains(domains, proof.FileHost(c)) {
			return 3
		}
		return 0
	}
	asked := strings.ToLower(strings.TrimSuffix(c.Name, "."))
	proved := provedBy(asked)
	for _, domain := range domains {
		switch domain = strings.TrimPrefix(domain, "*."); {
		case domain == proved:
			return 3
		case strings.HasSuffix(domain, "."+proved):
			best = 2
		}
	}
	if best == 0 && proof.Relative(asked, domains) {
		best = 1
	}
	return best
}

// closest names the one certificate of the account that matches best, or ""
// when none does or two do alike.
func (d *Desk) closest(account string, match func(config.Certificate) int) string {
	best, name := 0, ""
	for _, certificate := range d.host.Config.Certificates {
		if certificate.Account != account {
			continue
		}
		switch score := match(certificate); {
		case score == 0 || score < best:
		case score == best:
			name = ""
		default:
			best, name = score, certificate.Name
		}
	}
	return name
}
