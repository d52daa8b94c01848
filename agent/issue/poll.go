package issue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// adoptedFor is after how long an adopted order is let go that is not issued.
const adoptedFor = 2 * time.Hour

// later is when to ask again for what began at a time, and of which nothing is
// known.
func (w *work) later(since time.Time) time.Time {
	return lookPlan{since: since, shortest: w.shortest()}.after(state.Now())
}

func (w *work) pace() *pace { return w.desk.memory.of(w.name()) }

// poll asks for the order's report when the time has come, and records what is
// new in it. It returns when to poll next.
func (w *work) poll(ctx context.Context) (time.Time, error) {
	pace, plan := w.pace(), w.plan()
	if next := plan.after(pace.polled); state.Now().Before(next) {
		return next, nil
	}
	asked := len(w.order.Challenges) > 0
	if err := w.open(ctx, w.shop()); err != nil {
		return time.Time{}, err
	}
	if asked {
		if at, closer := w.glance(ctx, plan, pace); !closer {
			pace.polled = at
			return plan.after(at), nil
		}
	}
	report, err := w.ask(ctx)
	if err != nil {
		return time.Time{}, err
	}
	before := pace.polled
	pace.polled = state.Now()
	pace.asked = pace.polled
	err = w.note(ctx, report)
	switch {
	case err != nil:
	case !asked && len(w.order.Challenges) > 0:
		w.learn(plan, w.order.SubmittedAt, before, func(t *order.Tempo) *order.Spans { return &t.Challenge })
	case asked && w.report != nil:
		w.desk.memory.served(w.shop(), w.name())
		w.learn(plan, w.order.ProvedAt, before, func(t *order.Tempo) *order.Spans { return &t.Certificate })
	}
	return w.plan().after(pace.polled), err
}

func (w *work) ask(ctx context.Context) (Report, error) {
	if err := w.open(ctx, w.shop()); err != nil {
		return Report{}, err
	}
	asked, ticket := time.Now(), w.ticket()
	ticket.Listed = w.pace().sign.Certificate
	report, err := w.issuer.Report(ctx, ticket)
	if err == nil {
		w.desk.memory.answered(w.order.Account, time.Since(asked))
	}
	return report, err
}

// shop is where the order was placed, or will be.
func (w *work) shop() Shop {
	return Shop{Account: w.order.Account, API: w.order.API, Package: w.order.Package}
}

// open finds the issuer of a shop, once.
func (w *work) open(ctx context.Context, s Shop) (err error) {
	if w.issuer == nil {
		w.issuer, err = w.desk.issuer(ctx, s)
	}
	return err
}

func (w *work) ticket() Ticket {
	return Ticket{Slot: w.order.Instance, Order: w.order.ServerOrder, Before: w.order.Before, KeyID: w.order.Key, Former: w.order.Former,
		Again: w.desk.ledger.Had(instanceOf(w.order)) == w.name()}
}

// note records what a report adds to the facts.
func (w *work) note(ctx context.Context, report Report) error {
	switch {
	case w.isOthers(report):
		return w.lost(ctx, errOthers)
	case report.State == Issued && !report.fetched(w.ownKey()):
		return nil // issued, and not yet to be had
	case report.State == Issued:
		w.report = &report
		w.say(order.Issue, "issued")
		return w.order.See(order.StatusIssued)
	case report.State == Foreign:
		return w.lost(ctx, errors.New(report.Said))
	case report.State == Over: // ours will not come any more
		return w.giveBack(ctx, "", errors.New(report.Said))
	case report.State == Revoked:
		return w.revoked(ctx, report)
	case report.State == CARefused && !w.stale():
		return w.refused(ctx, report)
	case report.State == Unused && w.neverBegan():
		return w.vanished(ctx, report)
	}
	if report.Said != w.order.Status {
		if report.State == Other && report.Said != "" {
			w.say(w.order.Step(), fmt.Sprintf("warning: the server calls the order %q, a status that is not known; waiting", report.Said))
		}
		if err := w.order.See(report.Said); err != nil {
			return err
		}
	}
	return w.noteChallenges(report.Challenges)
}

// beginsWithin is how long an application that was accepted may take to begin.
const beginsWithin = time.Minute

// neverBegan says that nothing came of an application on a slot that takes
// another one at no cost.
func (w *work) neverBegan() bool {
	return w.issuer.Terms().Lasting && state.Now().Sub(w.order.SubmittedAt) > beginsWithin
}

// stale says that a refusal may be that of the application before, for a slot
// that lasts begins the next one after a while.
func (w *work) stale() bool {
	return w.issuer.Terms().Lasting && w.order.Submissions > 1 && len(w.order.Challenges) == 0 && !w.neverBegan()
}

// ownKey says that the order is for a key that was made here, even where it is
// lost.
func (w *work) ownKey() bool {
	return w.order.Key != "" || w.issuer.Terms().OwnKey && !w.snapshot.Config.CloudKey
}

// mostChallenges bounds the records that one order may ask for: one for each name.
const mostChallenges = 300

// noteChallenges records the challenges, once each is checked: no name that a
// server gave is used before.
func (w *work) noteChallenges(asked []order.Challenge) error {
	unsaid := func(c order.Challenge) bool { return c.Value == "" }
	if len(asked) == 0 || slices.ContainsFunc(asked, unsaid) {
		return nil
	}
	if len(asked) > mostChallenges {
		return stop(fmt.Errorf("the CA wants %d validations", len(asked)), "ask Alibaba Cloud's support; to give the order up: dvagent abandon "+w.name())
	}
	last, _ := order.LastName(w.desk.host.Dir.Certificate(w.name())) // without it no other label is known
	var challenges []order.Challenge
	for _, c := range asked {
		checked, err := proof.Check(c, w.order.Domains, last)
		if err != nil {
			return stop(err, hint.Of(err)+"; to give the order up: dvagent abandon "+w.name())
		}
		challenges = append(challenges, checked...)
	}
	if err := w.provable(challenges); err != nil {
		if w.order.Adopted { // whoever placed it proves it
			return nil
		}
		return stop(err, hint.Of(err)+"; to give the order up: dvagent abandon "+w.name())
	}
	if slices.Equal(challenges, w.order.Challenges) {
		return nil
	}
	for _, c := range challenges {
		if !slices.Contains(w.order.Challenges, c) {
			w.say(order.Present, "the CA wants to see "+wanted(c))
		}
	}
	return w.order.Challenged(challenges)
}

// provable says why the challenges cannot be answered, or nil.
func (w *work) provable(challenges []order.Challenge) error {
	for _, c := range challenges {
		if err := proof.Can(w.subject(), c); err != nil {
			return err
		}
	}
	return proof.Agree(challenges)
}

// wanted is what a challenge asks for.
func wanted(c order.Challenge) string {
	if c.Kind == order.File {
		return "a file at http://" + c.Name
	}
	return fmt.Sprintf("a %s record at %s", c.Kind, c.Name)
}

// refused records that the CA refused, removes the proofs and says what was to
// be seen where. A proof that cannot be removed stays owed.
func (w *work) refused(ctx context.Context, report Report) error {
	where := "before a challenge was given"
	for i, c := range w.order.Challenges {
		with := fmt.Sprintf("with the %s record %q at %s", c.Kind, c.Value, c.Name)
		if c.Kind == order.File {
			with = fmt.Sprintf("with the file %q at http://%s", c.Value, c.Name)
		}
		if where += " and " + with; i == 0 {
			where = with
		}
	}
	if err := w.order.See(order.StatusFailed); err != nil {
		return err
	}
	err := fmt.Errorf("the CA refused the validation (%s) %s", report.Said, where)
	if w.order.Package != "" {
		return w.refusedOfPackage(state.Also(err, w.removeProofs(ctx)))
	}
	return hint.Add(state.Also(err, w.removeProofs(ctx)),
		w.whyRefused()+"; the same instance is submitted again")
}

// revoked records that the certificate was revoked before it was collected. Who had that
// done may know that its key is no secret any more: the next one is for another.
func (w *work) revoked(ctx context.Context, report Report) error {
	if err := w.order.Revoke(report.Certificate); err != nil {
		return err
	}
	err := fmt.Errorf("certificate %s, which the order brought, was revoked before it was collected", report.Certificate)
	return hint.Add(state.Also(err, w.removeProofs(ctx)),
		"see in the SSL console who had it revoked, and why; another one is asked for on the same instance, with another key")
}

// vanished records that nothing came of what was submitted.
func (w *work) vanished(ctx context.Context, report Report) error {
	if err := w.order.See(order.StatusNone); err != nil {
		return err
	}
	err := fmt.Errorf("nothing came of the application on instance %s, which is %s", w.order.Instance, report.Said)
	return hint.Add(state.Also(err, w.removeProofs(ctx)),
		"see in the SSL console whether somebody withdrew it; the same instance is submitted again")
}

// whyRefused is what to look at after the CA refused.
func (w *work) whyRefused() string {
	if len(w.order.Challenges) > 0 && w.order.Challenges[0].Kind == order.File {
		return "see whether every address of the domains shows the file at port 80, and whether a CAA record forbids the CA"
	}
	return "see whether every name server shows the record, and whether a CAA record forbids the CA"
}

// patient waits, up to the order's deadline. It comes after an answer of the server, which
// takes no request of a clock that is far off: such a clock lets no deadline pass.
func (w *work) patient(next time.Time, why string) (verdict, error) {
	waited := state.Now().Sub(w.order.SubmittedAt)
	limit := adoptedFor
	if w.snapshot.Emergency(state.Now()) {
		limit = undecidedFor
	}
	if w.order.Adopted && state.Now().Sub(w.order.ClaimedAt) > limit {
		why := fmt.Sprintf("not issued within %s", limit)
		w.say(w.order.Step(), "the adopted order is "+why+" and is let go")
		return advance, w.letGo(why)
	}
	if deadline := w.desk.host.Config.Limits.OrderDeadline; waited > deadline {
		return advance, stop(fmt.Errorf("the order is still %q after %s; it waits for %s", w.order.Status, waited.Round(time.Minute), why),
			"ask Alibaba Cloud's support about the order, then run dvagent renew, or give it up: dvagent abandon "+w.name())
	}
	return wait(next, why), nil
}
