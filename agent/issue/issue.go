package issue

import (
	"context"
	"fmt"

	"dvagent/agent/order"
)

// issue polls the order until the CA has decided.
func (w *work) issue(ctx context.Context) (verdict, error) {
	next, err := w.poll(ctx)
	if err != nil || w.order.Step() != order.Issue {
		return advance, err
	}
	if err := w.keepStanding(ctx); err != nil || w.order.Step() != order.Issue {
		return advance, err
	}
	return w.patient(next, fmt.Sprintf("issuance; the order is %q", w.order.Status))
}
