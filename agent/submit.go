package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// mostSubmissions of one instance: the first, and two after the CA refused.
const mostSubmissions = 3

// submit sends the order. It is the one step that is not idempotent: what was
// begun and not finished is asked about before it is sent again, and it is
// sent again for the same instance only.
func (w *work) submit(ctx context.Context) (verdict, error) {
	client, err := w.Client(w.order.Account)
	if err != nil {
		return advance, err
	}
	if w.order.Submitting {
		applied, err := w.applied(ctx, client)
		if err != nil {
			return advance, err
		}
		if applied {
			return advance, w.record(order.Fact{Kind: order.Submitted})
		}
		if err := w.record(order.Fact{Kind: order.Unapplied}); err != nil {
			return advance, err
		}
	}
	if w.order.Submissions >= mostSubmissions && !w.force[w.Name] {
		return advance, stop(fmt.Errorf("the CA refused the validation %d times", w.order.Submissions),
			"mend what the log says of the validation, then: dvagent renew --force "+w.Name)
	}
	if err := w.checkPace(); err != nil {
		return advance, err
	}
	return w.send(ctx, client)
}

func (w *work) send(ctx context.Context, client *aliyun.Client) (verdict, error) {
	if err := w.use(w.order, order.InstanceSubmitted); err != nil {
		return advance, err
	}
	if err := w.record(order.Fact{Kind: order.Submitting}); err != nil {
		return advance, err
	}
	requestID, err := client.CreateDVOrderAudit(ctx, aliyun.Application{
		InstanceID: w.order.Instance, Domains: w.order.Domains, Contact: w.Contact,
	})
	if err != nil {
		return w.notAccepted(ctx, client, err)
	}
	w.forget(w.Name)
	w.say(w.Name, string(order.Submit), "submitted the order")
	return advance, w.record(order.Fact{Kind: order.Submitted, RequestID: requestID})
}

// notAccepted tells a refusal, after which the instance is given back, from an
// error that says nothing about the order.
func (w *work) notAccepted(ctx context.Context, client *aliyun.Client, err error) (verdict, error) {
	var api *aliyun.Error
	if !errors.As(err, &api) {
		return advance, err
	}
	if api.MayHaveBeenApplied() {
		return advance, hint.Add(fmt.Errorf("%w; the server is asked before anything is sent again", err), hint.Of(err))
	}
	if api.Kind != aliyun.Refused && api.Kind != aliyun.NotFound {
		return advance, also(err, w.record(order.Fact{Kind: order.Unapplied}))
	}
	applied, askErr := w.applied(ctx, client)
	if askErr != nil {
		return advance, askErr
	}
	if applied {
		w.say(w.Name, string(order.Submit), "the order is already being checked")
		return advance, w.record(order.Fact{Kind: order.Submitted})
	}
	return advance, w.giveBack(api)
}

// giveBack releases an instance that the server refused; another one is taken.
func (w *work) giveBack(refusal *aliyun.Error) error {
	w.say(w.Name, string(order.Submit), fmt.Sprintf("instance %s was refused: %s", w.order.Instance, refusal))
	if err := w.use(w.order, order.InstanceRefused); err != nil {
		return err
	}
	return w.record(order.Fact{Kind: order.Refused, Instance: w.order.Instance, Code: refusal.Code, Error: refusal.Error()})
}

// applied asks whether the submission arrived.
func (w *work) applied(ctx context.Context, client *aliyun.Client) (bool, error) {
	result, err := client.DescribeDVOrderResult(ctx, w.order.Instance)
	var api *aliyun.Error
	if errors.As(err, &api) && (api.Kind == aliyun.NotFound || api.Kind == aliyun.Refused) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if result.Status.Failed() && w.order.Submissions > 1 {
		return false, nil // of the submission before
	}
	return result.Status.Checking() || result.Status.Issued() || result.Status.Failed(), nil
}

// looks is when an order was last looked at, and how often.
type looks struct {
	result  time.Time // DescribeDVOrderResult
	dns     time.Time
	dnsN    int
	verdict string // of the last look at the name servers
}

func (a *Agent) looksOf(certificate string) *looks {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.looks[certificate] == nil {
		a.looks[certificate] = &looks{}
	}
	return a.looks[certificate]
}

// forget makes the next look at an order come at once.
func (a *Agent) forget(certificate string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.looks, certificate)
}
