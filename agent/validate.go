package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

const (
	shortestLook = time.Second
	longestLook  = 30 * time.Second
	adoptedFor   = 2 * time.Hour // an adopted order that is not issued by then is let go

	// leaveOutAfter is how long the quorum waits for the name servers that do not
	// show the record: most only lag behind, and the CA may ask any of them.
	leaveOutAfter = 10 * time.Second
)

// nextLook is a tenth of the time already waited after the last look, so that
// a result is seen at most a tenth late.
func nextLook(last, since time.Time) time.Time {
	delay := min(max(last.Sub(since)/10, shortestLook), longestLook)
	return last.Add(delay + time.Duration(rand.Int64N(int64(delay)/10)))
}

// look asks for the order's result when the time has come, and records what is
// new in it. It returns when to look next.
func (w *work) look(ctx context.Context) (time.Time, error) {
	looks := w.looksOf(w.Name)
	if next := nextLook(looks.result, w.order.SubmittedAt); !looks.result.IsZero() && wallClock().Before(next) {
		return next, nil
	}
	client, err := w.Client(w.order.Account)
	if err != nil {
		return time.Time{}, err
	}
	result, err := client.DescribeDVOrderResult(ctx, w.order.Instance)
	if err != nil {
		return time.Time{}, err
	}
	looks.result = wallClock()
	return nextLook(looks.result, w.order.SubmittedAt), w.note(ctx, result)
}

// note records what the server's answer adds to the facts.
func (w *work) note(ctx context.Context, result aliyun.OrderResult) error {
	switch {
	case result.Status.Issued() && (result.Certificate == "" || result.PrivateKey == ""):
		return nil // issued, and not yet to be had
	case result.Status.Issued():
		w.result = &result
		w.say(w.Name, string(order.Issue), "issued")
		return w.record(order.Fact{Kind: order.Seen, Status: order.StatusIssued})
	case result.Status.Failed():
		return w.refused(ctx, result)
	}
	if status := strings.ToLower(string(result.Status)); status != w.order.Status {
		if !result.Status.Checking() && !result.Status.Spare() && status != "" {
			w.say(w.Name, string(w.order.Step()), fmt.Sprintf("warning: the server calls the order %q, a status that is not known; waiting", status))
		}
		if err := w.record(order.Fact{Kind: order.Seen, Status: status}); err != nil {
			return err
		}
	}
	return w.noteChallenge(result)
}

func (w *work) noteChallenge(result aliyun.OrderResult) error {
	if result.CheckName == "" || result.CheckValue == "" {
		return nil
	}
	if !strings.EqualFold(result.CheckType, "DNS") && result.CheckType != "" {
		return stop(fmt.Errorf("the CA wants a validation of type %q", result.CheckType), "dvagent can only write TXT records: dvagent abandon "+w.Name)
	}
	name, err := dnsvalidate.CheckName(result.CheckName, w.order.Domains)
	if err != nil {
		return stop(err, "this is not a name to write at: ask Alibaba Cloud's support, or dvagent abandon "+w.Name)
	}
	challenge := order.Challenge{Type: "DNS", Name: name, Value: result.CheckValue}
	if w.order.Challenge != nil && *w.order.Challenge == challenge {
		return nil
	}
	w.say(w.Name, string(order.Present), "the CA wants to see a TXT record at "+name)
	return w.record(order.Fact{Kind: order.Challenged, Challenge: &challenge})
}

// refused records that the CA refused, removes the records and says what was
// to be seen where. A record that cannot be removed stays owed.
func (w *work) refused(ctx context.Context, result aliyun.OrderResult) error {
	where := "before a challenge was given"
	if c := w.order.Challenge; c != nil {
		where = fmt.Sprintf("with the TXT record %q at %s", c.Value, c.Name)
	}
	if err := w.record(order.Fact{Kind: order.Seen, Status: order.StatusFailed}); err != nil {
		return err
	}
	err := fmt.Errorf("the CA refused the validation (%s) %s", result.Status, where)
	return hint.Add(also(err, w.removeRecords(ctx)),
		"see whether every name server shows the record, and whether a CAA record forbids the CA; the same instance is submitted again")
}

// propagate watches the name servers until they show the record. The CA looks
// on its own meanwhile, so the order is still looked at, and wins.
func (w *work) propagate(ctx context.Context) (verdict, error) {
	next, err := w.look(ctx)
	if err != nil || w.order.Step() != order.Propagate {
		return advance, err
	}
	looks := w.looksOf(w.Name)
	if due := looks.dns.Add(w.prover.Interval(looks.dnsN)); looks.dnsN == 0 || !wallClock().Before(due) {
		if w.lookAtServers(ctx, looks) {
			w.say(w.Name, string(order.Propagate), looks.verdict)
			return advance, w.record(order.Fact{Kind: order.Visible})
		}
	}
	v, err := w.patient(sooner(next, looks.dns.Add(w.prover.Interval(looks.dnsN))), looks.verdict)
	v.since = looks.began
	return v, err
}

// lookAtServers asks the name servers once. That they cannot be asked is a
// verdict like another: the CA may reach them nevertheless.
func (w *work) lookAtServers(ctx context.Context, looks *looks) bool {
	if looks.began.IsZero() {
		looks.began = wallClock()
	}
	placed := w.order.Placed()
	zone, name := placed.Zone, placed.Name
	if placed.For != "" { // the CA begins there too
		zone, name = "", placed.For
	}
	seen, err := w.prover.Look(ctx, dnsvalidate.Question{Zone: zone, Name: name, Value: placed.Value})
	looks.dns, looks.dnsN, looks.verdict = wallClock(), looks.dnsN+1, seen.String()
	if err != nil {
		looks.verdict = err.Error()
		return false
	}
	if seen.Visible {
		return true
	}
	if waited := looks.dns.Sub(looks.began); !seen.Enough || waited.Abs() < leaveOutAfter {
		return false
	}
	var out []string
	for _, server := range seen.LeftOut() {
		out = append(out, server.String())
	}
	looks.verdict = fmt.Sprintf("enough name servers show the record by the quorum; left out: %s", strings.Join(out, "; "))
	return true
}

// issue polls the order until the CA has decided.
func (w *work) issue(ctx context.Context) (verdict, error) {
	next, err := w.look(ctx)
	if err != nil || w.order.Step() != order.Issue {
		return advance, err
	}
	return w.patient(next, fmt.Sprintf("issuance; the order is %q", w.order.Status))
}

// patient waits, up to the order's deadline.
func (w *work) patient(next time.Time, why string) (verdict, error) {
	waited := time.Since(w.order.SubmittedAt)
	if w.order.Adopted && time.Since(w.order.ClaimedAt) > adoptedFor {
		w.say(w.Name, string(w.order.Step()), "the adopted order is not issued in two hours and is let go")
		return advance, w.letGo("not issued in two hours")
	}
	if deadline := w.config.Limits.OrderDeadline; waited > deadline {
		return advance, stop(fmt.Errorf("the order is still %q after %s; it waits for %s", w.order.Status, waited.Round(time.Minute), why),
			"ask Alibaba Cloud's support about the order, then run dvagent renew, or give it up: dvagent abandon "+w.Name)
	}
	return wait(next, why), nil
}
