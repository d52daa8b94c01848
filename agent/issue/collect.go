package issue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// collect fetches the issued bundle, verifies it and makes it the current
// version.
func (w *work) collect(ctx context.Context) (verdict, error) {
	report := w.report
	w.report = nil
	if report == nil {
		asked, err := w.ask(ctx)
		if err != nil {
			return advance, err
		}
		if !asked.fetched(w.ownKey()) {
			return w.patient(w.later(w.order.SubmittedAt), "the issued certificate")
		}
		report = &asked
	}
	if w.isOthers(*report) {
		return advance, w.lost(ctx, errOthers)
	}
	key, err := w.keyOf(*report)
	if err != nil {
		return advance, err
	}
	if key == nil {
		return advance, w.keyLost()
	}
	b, err := w.verified(report.Chain, key)
	var early *notYetError
	if errors.As(err, &early) {
		return w.patient(state.Sooner(early.validFrom, w.later(w.order.SubmittedAt)), early.Error())
	}
	if err != nil {
		return advance, w.unfit(err)
	}
	return advance, w.keep(b)
}

// keyOf is the private key of the certificate that came: the order's own, but for
// an order that somebody else placed with a key which the issuer sends; nil: it
// is lost.
func (w *work) keyOf(r Report) ([]byte, error) {
	sent := len(r.Key) > 0 && (w.order.Key == "" || isPair(r.Chain, r.Key))
	if sent || !w.ownKey() {
		return r.Key, nil
	}
	return w.desk.host.Dir.Key(w.name(), w.order.Key)
}

// isPair says that a private key is that of a chain's first certificate.
func isPair(chain, key []byte) bool {
	_, err := bundle.Parse(chain, key)
	return err == nil
}

// aheadAtMost is how far the CA's clock may be ahead of ours.
const aheadAtMost = time.Hour

// notYetError says that a certificate is not valid yet, for the CA's clock is
// ahead of ours. It is waited for.
type notYetError struct{ validFrom time.Time }

func (e *notYetError) Error() string {
	return "the certificate to become valid, at " + words.Minute(e.validFrom) + ": the CA's clock, or ours, is off"
}

// verified makes a bundle of what the server sent, or says why it may not be
// served.
func (w *work) verified(chain, key []byte) (*bundle.Bundle, error) {
	b, err := bundle.Parse(chain, key)
	if err != nil {
		return nil, err
	}
	now := state.Now()
	if begins := b.Leaf.NotBefore; begins.After(now) && begins.Sub(now) < aheadAtMost {
		return nil, &notYetError{begins}
	}
	if err := b.Verify(w.order.Domains, now); err != nil {
		return nil, err
	}
	if w.older(b.Leaf) {
		return nil, fmt.Errorf("the certificate ends on %s, before the installed one", words.Date(b.Leaf.NotAfter))
	}
	return b, nil
}

// older says that a certificate is not the renewal of the installed one. What
// an order of ours brought may end sooner, for CAs grant shorter lives than
// they did, but was not made sooner.
func (w *work) older(leaf *x509.Certificate) bool {
	installed := w.snapshot.Leaf
	if installed == nil || w.snapshot.Broken != nil || !leaf.NotAfter.Before(installed.NotAfter) {
		return false
	}
	return w.order.Adopted || leaf.NotBefore.Before(installed.NotBefore)
}

// unfit lets an adopted order go, for it was not ours; of an order that we
// submitted ourselves an operator is asked, for it was paid.
func (w *work) unfit(err error) error {
	err = fmt.Errorf("the issued certificate is refused: %w", err)
	if w.order.Adopted {
		w.say(order.Collect, err.Error()+"; the adopted order is let go")
		return w.letGo(err.Error())
	}
	return stop(err, "ask Alibaba Cloud's support about the order; what is installed stays. To order anew: dvagent abandon "+w.name())
}

// keyLost ends an order whose certificate is of no use without its key. The next
// one asks the same instance for another certificate; of a package that would
// cost another one.
func (w *work) keyLost() error {
	if w.order.Package != "" {
		return stop(fmt.Errorf("order %s is issued, and its private key is not on this host", w.order.ServerOrder),
			"to order anew, which takes another one of the package: dvagent abandon "+w.name()+", then dvagent renew "+w.name())
	}
	w.say(order.Collect, "the private key of the order is lost; another certificate is asked for")
	if err := w.desk.end(w.order, order.KeyLost, "the private key is lost"); err != nil {
		return err
	}
	return errClosed
}

// letGo ends an adopted order; another one is opened at the next look.
func (w *work) letGo(why string) error {
	if err := w.desk.end(w.order, order.LetGo, why); err != nil {
		return err
	}
	return errClosed
}

// keep stores the bundle and makes it current.
func (w *work) keep(b *bundle.Bundle) error {
	if err := w.snapshot.Keep(b); err != nil {
		return err
	}
	if err := w.order.Collect(b.ID()); err != nil {
		return err
	}
	w.say(order.Collect, fmt.Sprintf("stored version %s, valid until %s", b.ID(), words.Date(b.Leaf.NotAfter)))
	return nil
}
