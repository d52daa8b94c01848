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
		if err := w.unapplied(); err != nil {
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
		InstanceID: w.order.Instance, Domains: w.order.Domains, Contact: aliyun.Contact(w.Contact),
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
		return advance, also(err, w.unapplied())
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

// unapplied records that the submission did not arrive: it counts for nothing.
func (w *work) unapplied() error {
	if err := w.use(w.order, order.InstanceUnapplied); err != nil {
		return err
	}
	return w.record(order.Fact{Kind: order.Unapplied})
}

// giveBack releases an instance that the server refused, and another one is
// taken; but when two are refused alike, the instances are not to blame.
func (w *work) giveBack(refusal *aliyun.Error) error {
	alike := w.order.RefusalCode == refusal.Code
	w.say(w.Name, string(order.Submit), fmt.Sprintf("instance %s was refused: %s", w.order.Instance, refusal))
	if err := w.use(w.order, order.InstanceRefused); err != nil {
		return err
	}
	fact := order.Fact{Kind: order.Refused, Instance: w.order.Instance, Code: refusal.Code, Error: refusal.Error()}
	if err := w.record(fact); err != nil || !alike {
		return err
	}
	return stop(fmt.Errorf("two instances were refused alike: %w", refusal),
		"mend what the server says, such as the contact or the domains, then: dvagent renew --force "+w.Name)
}

// applied asks whether the submission arrived. Where the order's result does
// not say, the list of instances does, read anew: "no" is an instance that the
// server calls unused, and nothing less.
func (w *work) applied(ctx context.Context, client *aliyun.Client) (bool, error) {
	result, err := client.DescribeDVOrderResult(ctx, w.order.Instance)
	var api *aliyun.Error
	unsaid := errors.As(err, &api) && (api.Kind == aliyun.NotFound || api.Kind == aliyun.Refused)
	switch {
	case err != nil && !unsaid:
		return false, err
	case err == nil && (result.Status.Checking() || result.Status.Issued()):
		return true, nil
	case err == nil && result.Status.Failed():
		return w.order.Submissions < 2, nil // else it is of the submission before
	}
	instances, err := client.DescribeOrderInstanceList(ctx)
	if err != nil {
		return false, err
	}
	for _, i := range instances {
		if i.InstanceID == w.order.Instance {
			return !i.Status.Spare(), nil
		}
	}
	return false, hint.Add(fmt.Errorf("%w: the list does not show instance %s", errUndecided, w.order.Instance),
		"nothing: the server is asked again")
}

// errUndecided says that a later look may tell what this one did not.
var errUndecided = errors.New("whether the order was submitted is not known")

// looks is when an order was last looked at, and how often.
type looks struct {
	result  time.Time // DescribeDVOrderResult
	dns     time.Time
	dnsN    int
	verdict string    // of the last look at the name servers
	began   time.Time // when the first of them was

	listings map[string]listing // by name
	warned   map[string]bool    // what the preflight has said
}

func (a *Agent) looksOf(certificate string) *looks {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.looks[certificate] == nil {
		a.looks[certificate] = &looks{listings: map[string]listing{}, warned: map[string]bool{}}
	}
	return a.looks[certificate]
}

// forget makes the next look at an order come at once. What was listed for it
// a moment ago is still good.
func (a *Agent) forget(certificate string) {
	known := a.looksOf(certificate)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looks[certificate] = &looks{listings: known.listings, warned: map[string]bool{}}
}
