package issue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// allocate finds what the order can be done with: a certificate that the
// account already has, an order of ours that is running, the instance of the
// last order, or a spare one. What runs already is gone on with at once; anything
// else is claimed only after all was looked at that would make the validation fail.
func (w *work) allocate(ctx context.Context) (verdict, error) {
	claim, submitted := w.desk.ledger.ClaimOf(w.snapshot.Config.Account, w.name())
	if claim.Instance != "" && !claim.Kept {
		return advance, w.resume(ctx, claim, submitted)
	}
	if w.snapshot.Config.Package != "" {
		return advance, w.allocateOfPackage(ctx)
	}
	sites := w.sitesEarly(ctx)
	defer sites.drop()
	if w.lists == nil {
		lists, err := w.desk.listsFor(ctx, w.snapshot.Config.Account, w.name())
		if err != nil {
			return advance, err
		}
		w.lists, w.issuer = lists, lists.issuer
	}
	// The slots come first: an order that is issued after they were listed
	// answers below as adoptable, one issued before is among the certificates.
	found, err := w.lists.adoptable()
	if err != nil {
		return advance, err
	}
	if recognised, err := w.recogniseLost(ctx); recognised || err != nil {
		return advance, err
	}
	kept := cmp.Or(claim.Instance, w.remembered())
	foreseen := w.foreseeEarly(ctx, sites, found, kept)
	defer foreseen.drop()
	if !w.order.Forced && !w.forced {
		if v, done, err := w.hosted(ctx, kept); err != nil || done {
			return v, err
		}
		reused, err := w.reuse(ctx)
		if err != nil || reused {
			return advance, err
		}
	}
	if _, err := sites.get(ctx); err != nil {
		return advance, err
	}
	if slot, ours := found.ours[w.name()]; ours {
		return advance, w.adopt(slot)
	}
	if waited := state.Now().Sub(w.order.OpenedAt); found.undecided != "" && waited.Abs() < undecidedFor {
		return wait(state.Now().Add(5*time.Second), "the running order of instance "+found.undecided+", which may be for these names"), nil
	}
	return advance, w.allocateSlot(ctx, foreseen, kept)
}

// sitesEarly finds the sites of the proofs beside the account's lists, but not for an
// order that waited already, or has an instance that the account may renew by itself: its
// looks cost one list.
func (w *work) sitesEarly(ctx context.Context) *early[[]proof.Site] {
	subject, domains := w.subject(), w.order.Domains
	sites := &early[[]proof.Site]{do: func(ctx context.Context) ([]proof.Site, error) {
		return w.desk.prover.Sites(ctx, subject, domains)
	}}
	if kept := w.desk.Claim(w.snapshot.Config).Instance; w.order.Waiting == "" && kept == "" {
		sites.begin(ctx)
	}
	return sites
}

// foreseeLater looks at the sites when that is wanted.
func (w *work) foreseeLater(sites *early[[]proof.Site]) *early[[]proof.Finding] {
	subject := w.subject()
	return &early[[]proof.Finding]{do: func(ctx context.Context) ([]proof.Finding, error) {
		at, err := sites.get(ctx)
		if err != nil {
			return nil, err
		}
		return w.desk.foresee(ctx, subject, at)
	}}
}

// foreseeEarly does it beside the list of the certificates that the account has, which is
// read for an order that has no instance yet.
func (w *work) foreseeEarly(ctx context.Context, sites *early[[]proof.Site], found running, kept string) *early[[]proof.Finding] {
	foreseen := w.foreseeLater(sites)
	_, runs := found.ours[w.name()]
	if w.order.Waiting == "" && kept == "" && !runs && found.undecided == "" {
		foreseen.begin(ctx)
	}
	return foreseen
}

// allocateSlot claims an instance once nothing stands against an order: the one
// that is kept for the certificate, or else a spare one.
func (w *work) allocateSlot(ctx context.Context, foreseen *early[[]proof.Finding], kept string) error {
	if err := w.checkPace(); err != nil {
		return err
	}
	slots, err := w.lists.slots()
	if err != nil {
		return err
	}
	if err := w.worthwhile(ctx, foreseen); err != nil {
		return err
	}
	if err := w.stands(ctx); err != nil {
		return err
	}
	if kept != "" {
		claimed, err := w.claimAgain(ctx, slots, kept)
		if err != nil || claimed {
			return err
		}
	}
	return w.claim(slots)
}

// remembered is the instance of the last order, where the ledger that should say
// so was lost, or "".
func (w *work) remembered() string {
	last, err := order.Last(w.desk.host.Dir.Certificate(w.name()))
	terms := w.issuer.Terms()
	if err != nil || last == nil || !terms.Lasting || last.API != terms.API || last.Account != w.order.Account {
		return ""
	}
	yielded := last.Outcome == order.Issued || last.Outcome == order.KeyLost
	if instance := instanceOf(last); !yielded || w.desk.ledger.Holder(instance)+w.desk.ledger.Had(instance) != "" {
		return ""
	}
	return last.Instance
}

// claimAgain claims the instance that is kept for the certificate. One whose
// subscription is over, or on which somebody else applies, is let go; one that is
// busy for us, or not listed for once, is waited for, as it was paid for further
// certificates.
func (w *work) claimAgain(ctx context.Context, slots []Slot, instance string) (bool, error) {
	slot := Slot{ID: instance, Use: Unclear}
	if i := slices.IndexFunc(slots, func(s Slot) bool { return s.ID == instance }); i >= 0 {
		slot = slots[i]
	}
	if slot.takesAnother(state.Now()) {
		return w.takeLasting(slot, slots)
	}
	told := w.order.FailuresSince(time.Time{}) > w.order.FailuresSince(w.desk.scope.Since)
	insisted := w.forced && told // by an operator, in a run of before
	others, err := w.runsForOthers(ctx, slot)
	if err != nil {
		return false, err
	}
	if over := slot.Use == Spent || slot.ended(state.Now()); !over && !others && !insisted {
		return false, hint.Add(&undecidedError{fmt.Sprintf("instance %s, which is kept for the renewals, takes no order at present", instance)},
			"see the instance in the SSL console; to take another one: dvagent renew --force "+w.name())
	}
	w.say(order.Allocate, "instance "+instance+" takes no further order: another one is taken")
	return false, w.desk.ledger.Note(order.InstanceReleased, w.instance(slot), w.name())
}

// runsForOthers says that an application for somebody else's key runs on a slot.
func (w *work) runsForOthers(ctx context.Context, s Slot) (bool, error) {
	if s.Use != Busy {
		return false, nil
	}
	report, err := w.issuer.Report(ctx, Ticket{Slot: s.ID, Before: s.Latest})
	if err != nil || report.RequestKeyID == "" {
		return false, err
	}
	key, err := w.desk.host.Dir.AnyKey(w.name(), report.RequestKeyID)
	return key == nil, err
}

// takeLasting claims the slot that is kept, unless its subscription does not
// last for the renewal and that of a spare one ends later.
func (w *work) takeLasting(kept Slot, slots []Slot) (bool, error) {
	now := state.Now()
	claim := order.Claim{Instance: kept.ID, Until: kept.Until, Kept: true}
	due := w.snapshot.Due(now)
	if lasts := w.snapshot.Renewal(now, claim).Claimed(); lasts || due != state.ReasonInWindow && due != state.ReasonEmergency {
		return w.take(kept)
	}
	i := slices.IndexFunc(slots, func(s Slot) bool {
		return w.usable(s) && (s.Until.IsZero() || s.Until.After(kept.Until)) && !w.desk.isUsed(w.instance(s))
	})
	if i < 0 {
		return w.take(kept)
	}
	w.say(order.Allocate, "the subscription of instance "+kept.ID+" ends too soon: another one is taken")
	if err := w.desk.ledger.Note(order.InstanceReleased, w.instance(kept), w.name()); err != nil {
		return false, err
	}
	taken, err := w.take(slots[i])
	if taken {
		w.desk.noteTaken(w.instance(slots[i]))
	}
	return taken, err
}

func (s Slot) ended(by time.Time) bool { return !s.Until.IsZero() && !by.Before(s.Until) }

// takesAnother says that a slot which was used may take an order.
func (s Slot) takesAnother(now time.Time) bool {
	return (s.Use == Free || s.Use == Again) && !s.ended(now)
}

// take claims a slot, unless another certificate was sooner.
func (w *work) take(s Slot) (bool, error) {
	claim := order.Claim{Instance: s.ID, Until: s.Until, API: w.issuer.Terms().API, Bare: !s.holds(w.order.Domains), Before: s.Latest}
	taken, err := w.desk.ledger.Claim(w.order.Account, w.name(), claim)
	if err != nil || !taken {
		return false, err
	}
	w.say(order.Allocate, "claimed instance "+s.ID)
	return true, w.order.Claim(claim)
}

// undecidedFor is how long nothing is ordered because an order runs in the
// account whose names are not known yet.
const undecidedFor = 10 * time.Minute

func (w *work) subject() proof.Subject {
	return proof.Subject{Certificate: w.name(), Account: w.order.DNSAccount, Webroot: w.order.Webroot}
}

// resume goes on with the instance that the ledger says is ours, though the
// order's journal does not: the process died in between, or the journal was
// lost. Whether it was submitted, the server is asked.
func (w *work) resume(ctx context.Context, claim order.Claim, submitted bool) error {
	if err := w.open(ctx, Shop{Account: w.order.Account, Package: claim.Package}); err != nil {
		return err
	}
	claim.API = w.issuer.Terms().API
	if err := w.order.Claim(claim); err != nil || !submitted || claim.Adopted {
		return err
	}
	if err := w.desk.recallKey(w.snapshot.Config, w.order); err != nil {
		return err
	}
	return w.order.BeginSubmission(claim.Stock)
}

// errPace says that a limit forbids a submission.
var errPace = errors.New("which is the limit")

// checkPace refuses a submission beyond the day's limit.
func (w *work) checkPace() error {
	n, oldest := w.desk.ledger.Submissions(w.name(), state.Now())
	if n < w.desk.host.Config.Limits.SubmissionsPerDay {
		return nil
	}
	next := words.Minute(oldest.Add(24 * time.Hour))
	return hint.Add(fmt.Errorf("submitted %d times within 24 hours, %w", n, errPace),
		fmt.Sprintf("the next submission is possible after %s; limits.submissions_per_day sets the limit", next))
}

// foresee looks for what would keep the CA from seeing the proofs of a subject.
func (d *Desk) foresee(ctx context.Context, subject proof.Subject, sites []proof.Site) (all []proof.Finding, err error) {
	for _, site := range sites {
		back := Away(ctx)
		findings, err := d.prover.Foresee(ctx, subject, site)
		back()
		if err != nil {
			return all, err
		}
		all = append(all, findings...)
	}
	return all, nil
}

// worthwhile sees to it that the order can be proved and installed: what would make the
// validation fail is an error, what only may is said once.
func (w *work) worthwhile(ctx context.Context, foreseen *early[[]proof.Finding]) error {
	if w.snapshot.Newest == "" { // a renewal is worth having in any case
		if err := w.snapshot.CheckPlaces(); err != nil {
			return fmt.Errorf("the certificate could not be installed: %w", err)
		}
	}
	findings, err := foreseen.get(ctx)
	if err != nil {
		return err
	}
	var failures error
	for _, finding := range findings {
		if finding.Blocks {
			failures = state.Also(failures, hint.Add(errors.New(finding.Text), finding.Hint))
		} else {
			w.caution(finding.Text)
		}
	}
	if failures != nil {
		return hint.Add(fmt.Errorf("the validation would fail: %w", failures), hint.Of(failures))
	}
	return nil
}

// caution says something once that an operator may want to know.
func (w *work) caution(text string) {
	text = "warning: " + text
	if warned := w.pace().warned; !warned[text] {
		warned[text] = true
		w.say(order.Allocate, text)
	}
}
