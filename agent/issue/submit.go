package issue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// mostSubmissions of one instance: the first, and two after one that came to nothing.
const mostSubmissions = 3

// mostRefusals is how often a slot may refuse what may be taken in a moment,
// until another one is taken.
const mostRefusals = 4

// submit sends the order. It is the one step that is not idempotent: what was
// begun and not finished is asked about before it is sent again, and it is
// sent again for the same instance only.
func (w *work) submit(ctx context.Context) (verdict, error) {
	if err := w.open(ctx, w.shop()); err != nil {
		return advance, err
	}
	if w.order.Package != "" {
		return w.submitToPackage(ctx)
	}
	if w.order.Submitting {
		applied, report, err := w.applied(ctx)
		if err != nil {
			return advance, err
		}
		if applied {
			return w.assume(ctx, report)
		}
		if err := w.unapplied(); err != nil {
			return advance, err
		}
	}
	if w.order.Submissions >= mostSubmissions && !w.forced {
		return advance, w.enough()
	}
	if err := w.checkPace(); err != nil {
		return advance, err
	}
	return advance, w.send(ctx, nil)
}

// enough says that the instance was submitted as often as it is without an operator.
func (w *work) enough() error {
	if w.order.Status == order.StatusFailed {
		return stop(fmt.Errorf("the CA refused the validation %d times", w.order.Submissions),
			"mend what the log says of the validation, then: dvagent renew --force "+w.name())
	}
	return stop(fmt.Errorf("%d applications on instance %s brought no certificate", w.order.Submissions, w.order.Instance),
		"see why in: dvagent logs "+w.name()+"; mend it, then: dvagent renew --force "+w.name())
}

// send places the order; stock is what its package shows, or nil.
func (w *work) send(ctx context.Context, stock *order.Stock) error {
	a, err := w.application()
	if err != nil {
		return err
	}
	if err := w.desk.ledger.Submit(instanceOf(w.order), w.name(), stock); err != nil {
		return err
	}
	if err := w.order.BeginSubmission(stock); err != nil {
		return err
	}
	w.desk.noteUsed(instanceOf(w.order))
	if err := w.desk.host.Locked(); err != nil {
		return err
	}
	receipt, err := w.issuer.Submit(ctx, w.ticket(), a)
	if err != nil {
		return w.notAccepted(ctx, err)
	}
	w.desk.memory.forget(w.name())
	w.say(order.Submit, "submitted the order")
	return w.order.Submitted(receipt.Request, receipt.Order)
}

// application is what is submitted. A private key for it is on the disk, and
// known to the journal, before the first request that names it.
func (w *work) application() (Application, error) {
	c := w.snapshot.Config
	a := Application{Names: w.asked(), Contact: c.Contact, KeyType: c.KeyType, File: c.Webroot != "", Stands: w.stands}
	if !w.issuer.Terms().OwnKey || c.CloudKey && w.order.Key == "" {
		return a, nil
	}
	dir := w.desk.host.Dir
	key, err := dir.Key(c.Name, w.order.Key)
	if err != nil {
		return a, err
	}
	if key == nil { // the first one, or it was lost
		var id string
		if id, key, err = dir.MakeKey(c.Name, c.KeyType); err != nil {
			return a, err
		}
		if err := w.order.Keyed(id); err != nil {
			return a, err
		}
	}
	a.Request, err = bundle.Request(key, a.Names)
	return a, err
}

// asked are the names that are applied for.
func (w *work) asked() []string {
	if w.order.Bare {
		return config.WithoutParents(w.order.Domains)
	}
	return w.order.Domains
}

// notAccepted tells a refusal, after which the instance is given back, from an
// error that says nothing about the order.
func (w *work) notAccepted(ctx context.Context, err error) error {
	var fault Fault
	if !errors.As(err, &fault) {
		return err
	}
	if fault.MayHaveBeenApplied() {
		return hint.Add(fmt.Errorf("%w; the server is asked before anything is sent again", err), hint.Of(err))
	}
	code, refused := fault.Refused()
	switch {
	case !refused && !w.persists(err):
		return state.Also(err, w.unapplied())
	case w.order.Package != "":
		return w.refusedByPackage(ctx, code, fault)
	}
	applied, report, askErr := w.applied(ctx)
	if askErr != nil {
		return askErr
	}
	if applied {
		_, err := w.assume(ctx, report)
		return err
	}
	if code == "" {
		return w.lost(ctx, fault)
	}
	return w.giveBack(ctx, code, fault)
}

// assume takes an order that runs, but whose submission was not answered, for
// ours where its names are. While they are not known, the submission stays
// undecided.
func (w *work) assume(ctx context.Context, report Report) (verdict, error) {
	whose := w.whose(report)
	if report.State == CARefused { // which tells no names, and is no success
		whose = ours
	}
	switch waited := state.Now().Sub(w.order.SubmittingAt); {
	case whose == others:
		return advance, w.lost(ctx, errOthers)
	case w.forAnotherKey(report) != nil: // it counts: who knows what became of ours
		return advance, w.giveBack(ctx, "", errOtherKey)
	case whose == unknown && waited > w.desk.host.Config.Limits.OrderDeadline:
		return advance, stop(fmt.Errorf("after %s it is still not known whose order runs on instance %s", waited.Round(time.Minute), w.order.Instance),
			"see the instance in the SSL console; to give it up: dvagent abandon "+w.name())
	case whose == unknown:
		next := w.later(w.order.SubmittingAt)
		return wait(next, "the CA's challenge, which tells whose the order of instance "+w.order.Instance+" is"), nil
	}
	w.say(order.Submit, "the order is already being checked")
	return advance, w.order.Submitted("", "")
}

// persists says that the state of the slot, which stands against an order, did
// not pass in several tries.
func (w *work) persists(err error) bool {
	var at interface{ SlotState() bool }
	return errors.As(err, &at) && at.SlotState() && w.order.FailuresSince(time.Time{}) >= mostRefusals
}

// unapplied records that the submission did not arrive: it counts for nothing.
// The ledger may know it already, from a process that died in between.
func (w *work) unapplied() error {
	if _, counts := w.desk.ledger.ClaimOf(w.order.Account, w.name()); counts {
		if err := w.desk.ledger.Note(order.InstanceUnapplied, instanceOf(w.order), w.name()); err != nil {
			return err
		}
	}
	return w.order.Unapplied()
}

// lost gives an instance back on which somebody else was sooner. What runs there
// is not ours, so a submission that the server took has brought us nothing.
func (w *work) lost(ctx context.Context, why error) error {
	if err := w.stands(ctx); err != nil {
		return err
	}
	if w.order.Submissions > 0 {
		if err := w.unapplied(); err != nil {
			return err
		}
	}
	return w.giveBack(ctx, "", why)
}

// giveBack releases an instance that the server refused, and another one is
// taken; but when two are refused alike, the instances are not to blame.
func (w *work) giveBack(ctx context.Context, code string, refusal error) error {
	if err := w.stands(ctx); err != nil { // else another host may hold the instance for the certificate
		return err
	}
	if code == "" && w.order.Before != "" {
		return w.chooseAnew(refusal)
	}
	alike := code != "" && w.order.RefusalCode == code
	w.say(order.Submit, fmt.Sprintf("instance %s was refused: %s", w.order.Instance, refusal))
	if err := w.desk.ledger.Note(order.InstanceRefused, instanceOf(w.order), w.name()); err != nil {
		return err
	}
	if err := w.order.Refuse(code, refusal.Error()); err != nil || !alike {
		return err
	}
	return stop(fmt.Errorf("two instances were refused alike: %w", refusal),
		"mend what the server says, such as the contact or the domains, then: dvagent renew --force "+w.name())
}

// applied asks whether the submission arrived, and returns the order's report
// where there is one. Where that does not say, the list of slots does, read anew:
// only a slot that the server calls unused means no.
func (w *work) applied(ctx context.Context) (bool, Report, error) {
	report, err := w.issuer.Report(ctx, w.ticket())
	switch {
	case err != nil && !unsaid(err):
		return false, report, err
	case err == nil && (report.State == Proving || report.State == Issued || report.State == Revoked):
		return true, report, nil
	case err == nil && report.State == CARefused:
		return w.order.Submissions < 2, report, nil // else it is of the submission before
	case err == nil && report.State == Foreign, err == nil && report.State == Unused && w.issuer.Terms().Lasting:
		return false, report, nil
	}
	applied, err := w.listedAsUsed(ctx)
	return applied, report, err
}

func (w *work) listedAsUsed(ctx context.Context) (bool, error) {
	slots, err := w.issuer.(Catalogue).Slots(ctx)
	if err != nil {
		return false, err
	}
	for _, slot := range slots {
		if slot.ID == w.order.Instance {
			return slot.Use != Free, nil
		}
	}
	if waited := state.Now().Sub(w.order.SubmittingAt); waited > w.desk.host.Config.Limits.OrderDeadline {
		return false, stop(fmt.Errorf("after %s the list still does not show instance %s, and whether the order was submitted is not known", waited.Round(time.Minute), w.order.Instance),
			"see the instance in the SSL console; if it is not there, give the order up: dvagent abandon "+w.name())
	}
	return false, hint.Add(&undecidedError{"whether the order was submitted is not known: the list does not show instance " + w.order.Instance}, "nothing: the server is asked again")
}

// unsaid says that the server has no report of the order.
func unsaid(err error) bool {
	var fault Fault
	if !errors.As(err, &fault) {
		return false
	}
	_, refused := fault.Refused()
	return refused
}

// undecidedError says that a later look may tell what this one did not.
type undecidedError struct{ text string }

func (e *undecidedError) Error() string { return e.text }

// Transient is for state.Transient.
func (e *undecidedError) Transient() bool { return true }
