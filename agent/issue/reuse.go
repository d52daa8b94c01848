package issue

import (
	"context"
	"fmt"

	"dvagent/internal/words"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// reuse keeps a certificate that the account already has, when it covers the
// names, is not due, and was sold by Alibaba or is trusted by this host. Then nothing
// is ordered. Where orders are for keys that are made here, no renewal of another
// host's is found there, so that only the first order looks.
func (w *work) reuse(ctx context.Context) (bool, error) {
	shelf, keeps := w.issuer.(Shelf)
	if !keeps || w.issuer.Terms().OwnKey && w.snapshot.Newest != "" {
		return false, nil
	}
	for stored, err := range shelf.Stored(ctx, w.order.Domains, w.snapshot.ServesUntil()) {
		if err != nil {
			return false, err
		}
		if !w.snapshot.Fits(stored.Bundle, state.Now()) {
			continue
		}
		if untrusted := stored.Bundle.Trusted(w.desk.host.Roots, state.Now()); untrusted != nil && !stored.Sold {
			w.desk.host.WarnOnce(w.name(), fmt.Sprintf("certificate %s of the account, %s, is not taken: it was uploaded, and %s",
				stored.ID, state.Describe(stored.Bundle), untrusted))
			continue
		}
		w.say(order.Allocate, fmt.Sprintf("took certificate %s of the account, valid until %s: nothing is ordered",
			stored.ID, words.Date(stored.Bundle.Leaf.NotAfter)))
		return true, w.keep(stored.Bundle)
	}
	return false, nil
}
