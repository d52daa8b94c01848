package issue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// This file holds what is different for an order from a package. Nothing that
// is sent with it makes it safe to repeat, or lets it be found again: so what
// the package shows is written down before, and compared afterwards, and what
// cannot be told is asked of an operator.

// soughtFor is how long an order whose answer was lost is looked for, before it
// counts as never placed.
const soughtFor = 5 * time.Minute

// allocateOfPackage claims a certificate of the package once nothing stands
// against an order.
func (w *work) allocateOfPackage(ctx context.Context) error {
	sites := w.sitesEarly(ctx)
	defer sites.drop()
	foreseen := w.foreseeLater(sites)
	defer foreseen.drop()
	if _, err := sites.get(ctx); err != nil {
		return err
	}
	if err := w.checkPace(); err != nil {
		return err
	}
	if err := w.worthwhile(ctx, foreseen); err != nil {
		return err
	}
	return w.takeOfPackage(ctx)
}

func (w *work) takeOfPackage(ctx context.Context) error {
	shop := Shop{Account: w.order.Account, Package: w.snapshot.Config.Package}
	if err := w.open(ctx, shop); err != nil {
		return err
	}
	claim := order.Claim{Instance: order.PackageSlot(shop.Package, w.name()), Package: shop.Package, Bare: true, API: w.issuer.Terms().API}
	if err := w.stands(ctx); err != nil {
		return err
	}
	taken, err := w.desk.ledger.Claim(w.order.Account, w.name(), claim)
	if err == nil && !taken { // by a certificate that had this name, and was renamed
		holder := w.desk.ledger.Holder(order.Instance{Account: w.order.Account, ID: claim.Instance})
		err = &undecidedError{"an order from package " + shop.Package + " under this name is still that of " + holder}
	}
	if err != nil {
		return err
	}
	return w.order.Claim(claim)
}

// submitToPackage places the order once, and beside no other one that is
// running for the same names. The orders from one package queue up, so that what
// it shows to one has no other one on its way.
func (w *work) submitToPackage(ctx context.Context) (verdict, error) {
	queue := w.desk.queue(w.shop())
	queue.Lock()
	defer queue.Unlock()
	if w.order.Status == order.StatusFailed && !w.forced {
		return advance, w.refusedOfPackage(fmt.Errorf("the CA refused the validation of order %s", w.order.ServerOrder))
	}
	shown, err := w.issuer.(Package).Stock(ctx, w.asked())
	if err != nil {
		return advance, err
	}
	if err := w.recallSubmission(); err != nil {
		return advance, err
	}
	if w.order.Submitting {
		return w.seek(shown)
	}
	if key := w.keyOfLost(); key != "" {
		if found, err := w.recognise(ctx, shown, key); found || err != nil {
			return advance, err
		}
	}
	if running := shown.ids(StockOrder.running); len(running) > 0 {
		return advance, hint.Add(fmt.Errorf("%s for the same names already, and nothing is ordered beside it", are(running, "running")),
			w.besideHint(running[0]))
	}
	if err := w.checkPace(); err != nil {
		return advance, err
	}
	return advance, w.send(ctx, &order.Stock{Total: shown.Total, Used: shown.Used, Orders: shown.ids(nil)})
}

// besideHint is what to do about an order that runs for the same names: it is of
// use where its key is.
func (w *work) besideHint(id string) string {
	anew := "to order anew, withdraw and delete it in the SSL console first"
	adopt := fmt.Sprintf("to go on with it: dvagent renew --adopt %s %s", id, w.name())
	if !w.desk.host.Dir.HasKeys(w.name()) && !w.snapshot.Config.CloudKey {
		return "no key for it is on this host: " + anew + "; where CAS made its key, " + adopt
	}
	return adopt + "; " + anew
}

// recallSubmission makes good for what the order's journal lost: a submission
// that the ledger knows, and the key for it.
func (w *work) recallSubmission() error {
	if claim, submitted := w.desk.ledger.ClaimOf(w.order.Account, w.name()); submitted && w.order.Submissions == 0 {
		if err := w.order.BeginSubmission(claim.Stock); err != nil {
			return err
		}
	}
	if w.order.Submissions == 0 {
		return nil
	}
	return w.desk.recallKey(w.snapshot.Config, w.order)
}

// seek looks for an order whose answer was lost: one that the package shows and
// did not show before.
func (w *work) seek(shown Stock) (verdict, error) {
	before := w.order.Stock
	if before == nil {
		before = &order.Stock{Used: -1}
	}
	fresh := shown.ids(func(o StockOrder) bool { return !slices.Contains(before.Orders, o.ID) })
	begun := w.order.SubmittingAt
	if claim, submitted := w.desk.ledger.ClaimOf(w.order.Account, w.name()); submitted {
		begun = state.Sooner(begun, claim.Begun) // the journal's line of it may be a later one
	}
	waited := state.Now().Sub(begun).Abs()
	switch {
	case len(fresh) == 1:
		return advance, w.found(fresh[0])
	case len(fresh) > 1:
		return advance, w.untold(are(fresh, "new")+" for these names, and it is not known which one is ours", fresh[0])
	case waited < soughtFor:
		return wait(w.later(begun), "the order, whose answer was lost, to be listed"), nil
	case shown.Used != before.Used:
		return advance, w.untold("the package has taken an order, which may be ours and is not listed", "ORDERID")
	}
	return advance, w.unapplied()
}

func (w *work) foundFor(key, id string) error {
	if err := w.order.Keyed(key); err != nil {
		return err
	}
	return w.found(id)
}

func (w *work) found(id string) error {
	w.say(order.Submit, "found order "+id+", whose answer was lost")
	return w.order.Submitted("", id)
}

// untold stops an order of which an operator has to say what became of it.
func (w *work) untold(what, adopt string) error {
	return stop(fmt.Errorf("the answer to the order was lost: %s", what),
		fmt.Sprintf("see the orders in the SSL console; to go on with one: dvagent renew --adopt %s %s; if there is none: dvagent abandon %s",
			adopt, w.name(), w.name()))
}

// recognise finds the order of a key that is left on the disk though journal and
// ledger were lost: one that was issued for it, or else the one that is running.
func (w *work) recognise(ctx context.Context, shown Stock, key string) (bool, error) {
	for _, o := range shown.Orders {
		if !o.Issued {
			continue
		}
		_, ours, err := w.isOurs(ctx, Ticket{Order: o.ID, KeyID: key})
		if err != nil {
			return false, err
		}
		if ours {
			return true, w.foundFor(key, o.ID)
		}
	}
	running := shown.ids(StockOrder.running)
	switch len(running) {
	case 0:
		return false, nil
	case 1:
		return true, w.foundFor(key, running[0])
	}
	return false, w.untold(are(running, "running")+" for these names, and it is not known which one is ours", running[0])
}

// refusedByPackage gives the claim back: nothing was placed. What is empty may be
// filled again; all else is for an operator to mend.
func (w *work) refusedByPackage(ctx context.Context, code string, refusal error) error {
	if err := w.stands(ctx); err != nil {
		return err
	}
	product, use := w.order.Package, order.InstanceReleased
	if isExhausted(refusal) {
		use = order.InstanceEmpty
	}
	if err := w.unapplied(); err != nil {
		return err
	}
	if err := w.desk.ledger.Note(use, instanceOf(w.order), w.name()); err != nil {
		return err
	}
	if err := w.order.Refuse(code, refusal.Error()); err != nil {
		return err
	}
	if use == order.InstanceEmpty {
		return hint.Add(&instanceError{fmt.Sprintf("package %s has no certificate left: %s", product, refusal)},
			state.PackageHint+" of "+w.name())
	}
	return stop(refusal, strings.TrimPrefix(hint.Of(refusal)+"; then: dvagent renew "+w.name(), "; "))
}

// isExhausted says that a package has nothing left.
func isExhausted(err error) bool {
	var empty interface{ Exhausted() bool }
	return errors.As(err, &empty) && empty.Exhausted()
}

// refusedOfPackage stops an order that the CA refused: another one would take
// another certificate of the package.
func (w *work) refusedOfPackage(err error) error {
	return stop(err, fmt.Sprintf("%s; to order anew, which takes another one of the package: dvagent renew --force %s; order %s gives its own back once it is deleted in the SSL console",
		w.whyRefused(), w.name(), w.order.ServerOrder))
}

func (o StockOrder) running() bool { return o.Running }

// ids are those of the orders that are wanted; nil wants all.
func (s Stock) ids(wanted func(StockOrder) bool) []string {
	var ids []string
	for _, o := range s.Orders {
		if wanted == nil || wanted(o) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// are is such as "the orders 7, 8 are running".
func are(ids []string, what string) string {
	if len(ids) == 1 {
		return "order " + ids[0] + " is " + what
	}
	return "the orders " + strings.Join(ids, ", ") + " are " + what
}

// Adopt goes on with an order of the certificate's package that an operator
// names by the server's id, whoever placed it. The server has to know it.
func (d *Desk) Adopt(ctx context.Context, s state.Snapshot, id string) error {
	if d.fleet != nil {
		if err := d.hold(ctx, &s, true); err != nil {
			return err
		}
		defer d.release(ctx, s.Config.Name)
	}
	w := &work{desk: d, snapshot: s, order: s.Order}
	if err := w.adoptable(id); err != nil {
		return err
	}
	shop := Shop{Account: s.Config.Account, Package: s.Config.Package}
	if w.order != nil && w.order.Package != "" {
		shop = w.shop()
	}
	if err := w.open(ctx, shop); err != nil {
		return err
	}
	if _, err := w.issuer.Report(ctx, Ticket{Order: id}); err != nil {
		return hint.Add(fmt.Errorf("adopt order %s: %w", id, err), hint.Of(err))
	}
	var err error
	if w.order == nil {
		if w.order, err = d.begin(ctx, s, state.ReasonAdopted, false); err != nil {
			return err
		}
	}
	if w.order.Instance == "" {
		if err := w.takeOfPackage(ctx); err != nil {
			return err
		}
	}
	if err := w.recallSubmission(); err != nil {
		return err
	}
	if err := w.recallGivenUpKey(); err != nil {
		return err
	}
	w.say(order.Submit, "adopted order "+id)
	return w.order.Submitted("", id)
}

// recallGivenUpKey gives an order without a key the one that is left here, also of
// an order that was given up.
func (w *work) recallGivenUpKey() error {
	dir := w.desk.host.Dir
	if w.order.Key != "" {
		return nil
	}
	if err := dir.TakeKeysBack(w.name()); err != nil {
		return err
	}
	if key := dir.LastKey(w.name()); key != "" {
		return w.order.Keyed(key)
	}
	return nil
}

// adoptable says why an order may not be put in the place of what is there.
func (w *work) adoptable(id string) error {
	o := w.order
	switch {
	case o != nil && o.Instance != "" && o.Package == "":
		return hint.Add(fmt.Errorf("an order on instance %s is open", o.Instance), "to give it up: dvagent abandon "+w.name())
	case o != nil && o.Version != "":
		return fmt.Errorf("the order is issued already, as version %s", o.Version)
	case o != nil && o.ServerOrder != "" && o.ServerOrder != id && !o.Failure.Stopped: // else the operator is asked
		return hint.Add(fmt.Errorf("order %s is open", o.ServerOrder), "to give it up: dvagent abandon "+w.name())
	case (o == nil || o.Package == "") && w.snapshot.Config.Package == "":
		return state.Misuse(hint.Add(errors.New("only orders from a package are adopted by their number"), "the order of an instance is found by itself"))
	}
	return nil
}
