package agent

import (
	"context"
	"fmt"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/bundle"
)

// versionsKept is how many versions of a certificate stay on disk.
const versionsKept = 5

// collect fetches the issued bundle, verifies it and makes it the current
// version.
func (w *work) collect(ctx context.Context) (verdict, error) {
	if w.result == nil {
		client, err := w.Client(w.order.Account)
		if err != nil {
			return advance, err
		}
		result, err := client.DescribeDVOrderResult(ctx, w.order.Instance)
		if err != nil {
			return advance, err
		}
		if !result.Status.Issued() || result.Certificate == "" || result.PrivateKey == "" {
			return w.patient(wallClock().Add(longestLook), "the issued certificate")
		}
		w.result = &result
	}
	b, err := w.verified([]byte(w.result.Certificate), []byte(w.result.PrivateKey))
	w.result = nil
	if err != nil {
		return advance, w.unfit(err)
	}
	return advance, w.keep(b)
}

// verified makes a bundle of what the server sent, or says why it may not be
// served.
func (w *work) verified(certificate, key []byte) (*bundle.Bundle, error) {
	b, err := bundle.Parse(certificate, key)
	if err != nil {
		return nil, err
	}
	if err := b.Verify(w.order.Domains, wallClock()); err != nil {
		return nil, err
	}
	if w.leaf != nil && w.broken == nil && b.Leaf.NotAfter.Before(w.leaf.NotAfter) {
		return nil, fmt.Errorf("the certificate ends on %s, before the installed one", b.Leaf.NotAfter.Format(time.DateOnly))
	}
	return b, nil
}

// unfit lets an adopted order go, for it was not ours; of an order that we
// submitted ourselves a person is asked, for it was paid.
func (w *work) unfit(err error) error {
	err = fmt.Errorf("the issued certificate is refused: %w", err)
	if w.order.Adopted {
		w.say(w.Name, string(order.Collect), err.Error()+"; the adopted order is let go")
		return w.letGo(err.Error())
	}
	return stop(err, "ask Alibaba Cloud's support about the order; what is installed stays. To order anew: dvagent abandon "+w.Name)
}

// letGo ends an adopted order; another one is opened at the next look.
func (w *work) letGo(why string) error {
	if err := w.closeOrder(w.order, order.LetGo, why); err != nil {
		return err
	}
	return errClosed
}

// keep stores the bundle and makes it current.
func (w *work) keep(b *bundle.Bundle) error {
	if err := w.install(w.standing, b); err != nil {
		return err
	}
	w.leaf, w.newest, w.current, w.broken = b.Leaf, b.ID(), b.ID(), nil
	if err := w.record(order.Fact{Kind: order.Collected, Version: b.ID()}); err != nil {
		return err
	}
	w.say(w.Name, string(order.Collect), fmt.Sprintf("stored version %s, valid until %s", b.ID(), b.Leaf.NotAfter.Format(time.DateOnly)))
	return nil
}
