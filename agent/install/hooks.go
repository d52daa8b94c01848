package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dvagent/agent/state"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// RunHooks runs the hooks of what has happened to the items, one after the
// other. It comes last: however long a hook takes, what is issued is in place.
// Those for which one was run in vain come after the others, who may have waited
// for them the last time.
func (r *Rollout) RunHooks(ctx context.Context, items []*Item) {
	for _, item := range slices.SortedStableFunc(slices.Values(items), laterInVain) {
		item.try(r.host, func() error { return r.runAll(ctx, item) })
	}
}

// HasNews says that hooks are to run for the item, or that it is to be noted that none
// listens.
func (r *Rollout) HasNews(item *Item) bool {
	s := item.Snapshot
	if s.Rollout == nil || item.installed || item.Failing() {
		return true
	}
	told := func(event string) bool { return s.Heard(event) && s.Rollout.Targets[event].Failure.Text == "" }
	return !told(hooks.Issued) || !told(hooks.Deployed)
}

func laterInVain(a, b *Item) int {
	switch inVain := a.hookFailed(); {
	case inVain == b.hookFailed():
		return 0
	case inVain:
		return 1
	}
	return -1
}

// hookFailed says that a hook was run for the certificate, and failed, when it
// was tried last. One that was not run because it hangs did not.
func (i *Item) hookFailed() bool {
	return i.Snapshot.Rollout != nil && slices.ContainsFunc(hooks.Events, func(event string) bool {
		return i.Snapshot.Rollout.Targets[event].Failure.Command != nil
	})
}

// runAll runs the hooks of one certificate: of its failures, of its issuance,
// and, where every target holds it, of its deployment.
func (r *Rollout) runAll(ctx context.Context, item *Item) error {
	for _, failure := range item.failures {
		r.runFailed(ctx, item.Snapshot, failure)
	}
	s := item.Snapshot
	var issued, deployed error
	if s.Current != "" && s.Current == s.Newest && ctx.Err() == nil {
		issued = r.runOnce(ctx, item, hooks.Issued, false)
	}
	if item.complete && !item.left && item.targets == state.Served {
		deployed = r.runOnce(ctx, item, hooks.Deployed, item.installed)
	}
	return errors.Join(issued, deployed)
}

// runOnce runs the hooks of an event about the current version, once, or again
// when asked to. A hook that fails is owed like a deployment: it runs again
// later.
func (r *Rollout) runOnce(ctx context.Context, item *Item, event string, again bool) error {
	s := item.Snapshot
	known := s.Rollout.Targets[event]
	if s.Heard(event) && known.Failure.Text == "" && !again {
		return nil
	}
	if owed := r.heldUp(known, state.StepHook); owed != nil {
		item.Outcome = item.Outcome.And(*owed)
		return nil
	}
	err := r.run(ctx, r.event(s, event, known.Version, nil))
	if err == nil {
		if r.listens(event) {
			item.Outcome.Did = max(item.Outcome.Did, state.Told)
		}
		return s.Rollout.Told(event, s.Current)
	}
	owed, recordErr := r.owe(ctx, s, event, err)
	owed.Step = state.StepHook
	item.Outcome = item.Outcome.And(owed)
	return recordErr
}

// noteUnheard notes a version that is new where no hook listens, so that one that
// is configured later is not run for it. What is to be uploaded first is left to
// runOnce.
func (r *Rollout) noteUnheard(s state.Snapshot, event string) {
	if r.listens(event) || s.Current == "" || s.Current != s.Newest || s.UploadOwed() || s.Heard(event) || s.Rollout.Targets[event].Failure.Text != "" {
		return
	}
	_ = s.Rollout.Told(event, s.Current) // runOnce tries again what failed, and says why
}

// runFailed runs the hooks of "failed". That one of them fails too is logged
// and shown by status; it is not owed.
func (r *Rollout) runFailed(ctx context.Context, s state.Snapshot, cause error) {
	err := r.run(ctx, r.event(s, hooks.Failed, "", cause))
	if err != nil {
		r.host.Log.Warn("a hook failed", "certificate", s.Config.Name, "event", hooks.Failed, "error", err)
	}
	if ctx.Err() != nil {
		return // the next pass tells it
	}
	var recordErr error
	if known := s.Rollout.Targets[hooks.Failed]; known.Started != "" || err == nil && known.Failure.Text != "" {
		recordErr = s.Rollout.Told(hooks.Failed, "")
	}
	if err != nil {
		recordErr = errors.Join(recordErr, s.Rollout.Fail(hooks.Failed, "", failure(err, state.Outcome{})))
	}
	if recordErr != nil {
		r.host.Log.Warn("cannot note how a hook ended", "certificate", s.Config.Name, "error", recordErr)
	}
}

// listens says that a hook does.
func (r *Rollout) listens(event string) bool {
	return slices.ContainsFunc(r.host.Config.Hooks, func(h hooks.Hook) bool { return slices.Contains(h.On, event) })
}

// run runs the hooks that listen to the event and returns the first failure.
func (r *Rollout) run(ctx context.Context, event hooks.Event) (first error) {
	defer r.host.Alive()
	for _, hook := range r.host.Config.Hooks {
		err := r.runHook(ctx, hook, event)
		if err != nil && first == nil {
			first = hint.Add(fmt.Errorf("hook of event %s: %w", event.Name, err), mend(err))
		}
	}
	return first
}

// mend says what to do about a hook that failed.
func mend(err error) string {
	if advice := hint.Of(err); advice != "" {
		return advice + "; then the hook is run again by itself, or by dvagent renew"
	}
	return "mend the hook; it is run again by itself, or by dvagent renew"
}

// mostHung is for how many certificates a hook may hang in a pass. Then the
// others would wait for it one after the other.
const mostHung = 2

// runHook runs a hook, if it listens to the event and does not hang: for this
// certificate, or for so many that it would for the others.
func (r *Rollout) runHook(ctx context.Context, hook hooks.Hook, event hooks.Event) error {
	if !slices.Contains(hook.On, event.Name) {
		return nil
	}
	key := strings.Join(hook.Command, "\x00")
	if hung := r.hung[key]; len(hung) >= mostHung || slices.Contains(hung, event.Certificate) {
		return errHung
	}
	result := hooks.Run(ctx, &r.rounds.Shifts, []hooks.Hook{hook}, event)[0]
	if result.Err != nil && result.Duration >= hook.Limit() {
		r.hung[key] = append(r.hung[key], event.Certificate)
		result.Err = hint.Add(result.Err, "see why it takes so long, or raise its timeout")
	}
	return result.Err
}

// errHung is why a hook was not run.
var errHung = errors.New("not run, since it ran longer than its time limit a moment ago")

func (r *Rollout) event(s state.Snapshot, name, previous string, cause error) hooks.Event {
	e := hooks.Event{Name: name, Certificate: s.Config.Name, Domains: s.Config.Domains}
	if s.Current != "" {
		e.VersionDir = s.Store.Path(s.Current)
		if leaf, err := bundle.LoadLeaf(e.VersionDir); err == nil {
			e.Fingerprint, e.NotAfter = bundle.Fingerprint(leaf), leaf.NotAfter
		}
	}
	if place := s.Place(); place != nil {
		e.CertID, e.CertIdentifier = strconv.FormatInt(place.ID, 10), place.Identifier
	}
	if previous != "" && previous != s.Current {
		if leaf, err := bundle.LoadLeaf(s.Store.Path(previous)); err == nil {
			e.PreviousFingerprint = bundle.Fingerprint(leaf)
		}
	}
	if cause != nil {
		e.Error = cause.Error()
	}
	return e
}
