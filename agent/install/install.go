// Package install is the rollout: which targets lack the current version of a
// certificate, their installation, and the hooks that are told of it. It knows
// no order and no API; what a target consists of is the business of package
// deploy.
package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// Rollout installs and tells during one pass, under the lock.
type Rollout struct {
	host   *state.Host
	scope  state.Scope
	trust  Trust
	rounds deploy.Rounds
	disk   chan struct{}       // holds a value for each certificate that is read or noted
	hung   map[string][]string // the certificates for which a hook ran into its time limit in this pass, by its command
}

// New makes the rollout of a pass.
func New(host *state.Host, scope state.Scope, trust Trust) *Rollout {
	return &Rollout{host: host, scope: scope, trust: trust, disk: make(chan struct{}, onDiskAtOnce), hung: map[string][]string{}}
}

// Expect says that a certificate may soon be installed, until come is called:
// those that are ready wait for it a moment, to share its reload.
func (r *Rollout) Expect() (come func()) { return r.rounds.Expect() }

// Item is a certificate that is rolled out.
type Item struct {
	Snapshot state.Snapshot
	Outcome  state.Outcome // what came before; the rollout adds to it

	failures  []error     // that were not told before: the hooks of "failed" run
	targets   state.Class // how its targets stand, whatever came before
	installed bool        // something was installed: the hooks of "deployed" run again
	left      bool        // a target keeps a newer pair of somebody else's
	complete  bool        // every target was looked at, and what came of it is recorded
	untidy    bool        // something that is to go could not be removed
}

// NewItem is a certificate whose order has gone as far as it goes now. A failure
// that is news is noted before its hooks run, which may be minutes later: what a
// process that dies meanwhile has not told, the next one does.
func (r *Rollout) NewItem(s state.Snapshot, o state.Outcome) *Item {
	item := &Item{Snapshot: s, Outcome: o}
	switch {
	case s.Rollout == nil:
	case o.News:
		r.addFailure(item, o.Err)
	case s.Rollout.Targets[hooks.Failed].Started != "":
		item.failures = append(item.failures, errors.New(s.Rollout.Targets[hooks.Failed].Started))
	}
	return item
}

// Add adds what came of the upload, before the hooks run.
func (r *Rollout) Add(item *Item, o state.Outcome) {
	item.Outcome = item.Outcome.And(o)
	if o.News {
		r.addFailure(item, o.Err)
	}
}

func (r *Rollout) addFailure(item *Item, failure error) {
	item.failures = append(item.failures, failure)
	r.noteFailure(item.Snapshot, failure)
}

// noteFailure notes that the hooks of "failed" are still to run, where one
// listens.
func (r *Rollout) noteFailure(s state.Snapshot, failure error) {
	if !r.listens(hooks.Failed) {
		return
	}
	if err := s.Rollout.Start(hooks.Failed, failure.Error()); err != nil {
		r.host.Log.Warn("cannot note that a hook is to run", "certificate", s.Config.Name, "error", err)
	}
}

// Failing says that there is a failure to be told.
func (i *Item) Failing() bool { return len(i.failures) > 0 }

// Rests says that nothing was to be done, and that nothing is known beside what the
// disk says: the next look finds the same until a file changes or a renewal is due.
func (i *Item) Rests() bool {
	s, o := i.Snapshot, i.Outcome
	if s.Rollout == nil || s.Leaf == nil || len(s.Damage()) > 0 {
		return false
	}
	whole := s.Current != "" && s.Current == s.Newest && s.Broken == nil && s.Rollout.Held == ""
	open := s.Order != nil || s.Config.Follow || s.UploadOwed() || len(i.failures) > 0 || i.left || i.untidy
	idle := o.Class == state.Served && o.Err == nil && o.Did == state.Nothing && !o.Ordered
	for _, known := range s.Rollout.Targets {
		idle = idle && known.Failure.Text == "" && known.Left == ""
	}
	return whole && !open && idle && i.Rolled() == s.Current
}

// Rolled is the version that every target was seen to hold and serve, or "".
func (i *Item) Rolled() string {
	if len(i.Snapshot.Config.Deploy) > 0 && (!i.complete || i.left || i.targets != state.Served) {
		return ""
	}
	return i.Snapshot.Current
}

// candidate is an item whose targets are compared with its current version.
type candidate struct {
	item    *Item
	same    bool            // every target is the current version to the letter, and nothing is to be repeated
	bundle  *bundle.Bundle  // the current version; nil where every target is the same
	targets []deploy.Target // but those that wait for their next try
	drifts  []deploy.Drift  // of targets, in their order
	left    map[string]left // by a target's id
	jobs    []deploy.Job
}

// Install installs, on every target of a certificate that does not hold and serve
// the current version, what it lacks. Others may be installed side by side: it
// waits for no probe of theirs, and shares reloads with them. It calls joined when
// nobody needs to wait for it any more. It runs no hook.
func (r *Rollout) Install(ctx context.Context, item *Item, joined func()) {
	if c := r.candidate(ctx, item); c != nil {
		r.onDisk(item, func() error { r.clear(c); return nil })
		r.inspect(ctx, c)
		respected := item.try(r.host, func() error { return r.respect(ctx, c) })
		item.complete = respected && r.onDisk(item, func() error { return r.compare(ctx, c) })
		if item.complete {
			results := r.rounds.Install(ctx, c.jobs, joined)
			item.complete = r.onDisk(item, func() error { return r.conclude(ctx, c, results) })
		}
	}
	r.onDisk(item, func() error {
		r.noteUnheard(item.Snapshot, hooks.Issued)
		return nil
	})
}

// candidate is nil where there is nothing to compare.
func (r *Rollout) candidate(ctx context.Context, item *Item) *candidate {
	switch {
	case item.Snapshot.Current == "":
		return nil
	case ctx.Err() != nil: // what is in place was not looked at
		item.add(interrupted())
		return nil
	case len(item.Snapshot.Config.Deploy) > 0:
		c := &candidate{item: item, left: map[string]left{}}
		if r.onDisk(item, func() error { return r.load(ctx, c) }) {
			return c
		}
	default:
		r.onDisk(item, func() error { r.prune(item); return nil })
	}
	return nil
}

// onDiskAtOnce bounds the certificates whose files and journals are read or
// written side by side: the fsyncs overlap.
const onDiskAtOnce = 128

// onDisk is try for work that takes a moment, of so many certificates at once.
func (r *Rollout) onDisk(item *Item, do func() error) bool {
	r.disk <- struct{}{}
	defer func() { <-r.disk }()
	return item.try(r.host, do)
}

func (i *Item) name() string { return i.Snapshot.Config.Name }

// add adds the outcome of a target.
func (i *Item) add(o state.Outcome) {
	i.targets = max(i.targets, o.Class)
	i.Outcome = i.Outcome.And(o)
}

// try adds the error or the panic of do to the outcome, and says that there was
// none.
func (i *Item) try(host *state.Host, do func() error) bool {
	err := host.Contained(i.name(), do)
	i.Outcome = i.Outcome.AndFailed(err)
	return err == nil
}

func interrupted() state.Outcome {
	return state.Outcome{Class: state.Pending, Step: state.StepDeploy, Waiting: state.Interrupted}
}

func (r *Rollout) load(ctx context.Context, c *candidate) (err error) {
	s := c.item.Snapshot
	if c.same = r.same(ctx, s); !c.same {
		if c.bundle, err = bundle.Load(s.Store.Path(s.Current)); err != nil {
			return err
		}
	}
	for _, target := range s.Targets() {
		known := s.Rollout.Targets[target.ID()]
		if owed := r.heldUp(known, state.StepDeploy); owed != nil && known.Failure.Cause != rollout.TooOften {
			c.item.add(*owed)
		} else {
			c.targets = append(c.targets, target)
		}
		r.host.Alive()
	}
	return nil
}

// heldUp is the outcome of an earlier failure that keeps a target, or the hooks
// of an event, from being tried now.
func (r *Rollout) heldUp(t rollout.Target, step string) *state.Outcome {
	f := t.Failure
	if f.Text == "" || !r.scope.HeldUp(f.At, f.Until) {
		return nil
	}
	return &state.Outcome{Class: state.NotServed, Step: step, Next: f.Until, Err: state.Recall(f.Text, f.Hint, f.Cause)}
}

// clear removes what an earlier installation has left beside the files.
func (r *Rollout) clear(c *candidate) {
	for _, target := range c.targets {
		if err := deploy.Clear(target); err != nil {
			c.item.untidy = true
			r.host.Log.Warn("what an earlier installation left, which may hold a key, cannot be removed", "certificate", c.item.name(), "error", err)
		}
	}
}

// compare decides which targets of a certificate are installed, and notes that
// their installation begins.
func (r *Rollout) compare(ctx context.Context, c *candidate) error {
	for i, target := range c.targets {
		if ctx.Err() != nil { // it was not looked at to the end
			c.item.add(interrupted())
			return nil
		}
		if err := r.compareOne(ctx, c, target, c.drifts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rollout) compareOne(ctx context.Context, c *candidate, target deploy.Target, drift deploy.Drift) error {
	s := c.item.Snapshot
	known := s.Rollout.Targets[target.ID()]
	// A reload that was begun and not seen to end has to run again, where no
	// probe can tell.
	unfinished := known.Started != "" && len(target.Probe) == 0
	if !unfinished && !r.scope.Redeploy && drift.InPlace {
		if known.Version == s.Current && known.Failure.Text == "" && known.Left == "" {
			return nil
		}
		return s.Rollout.Deployed(target.ID(), s.Current)
	}
	if l, found := c.left[target.ID()]; found && l.unknown {
		c.await(l)
		return nil
	} else if found {
		return r.leave(c, target, l)
	}
	if next := known.NextInstall(s.Current, state.Now()); !next.IsZero() && !r.scope.Redeploy {
		return r.putOff(c, target, drift, next)
	}
	if !known.Begun() {
		if err := deploy.CheckPlaces(target); err != nil {
			return r.fail(ctx, c.item, target.ID(), err)
		}
	}
	c.jobs = append(c.jobs, deploy.Job{
		Certificate: c.item.name(), Target: target, Bundle: c.bundle, Force: unfinished || r.scope.Redeploy,
		Originals: r.host.Dir.Originals(c.item.name()), Known: s.Store.Has,
		Waits: func(what string) {
			r.host.Observe(state.Progress{At: state.Now(), Certificate: s.Config.Name, Step: state.StepDeploy, Text: what, Waiting: true})
		},
	})
	r.host.Observe(state.Progress{At: state.Now(), Certificate: c.item.name(), Step: state.StepDeploy, Text: "installing at " + target.String(), Begun: true})
	return s.Rollout.Start(target.ID(), s.Current)
}

// conclude records how the installations of a certificate ended.
func (r *Rollout) conclude(ctx context.Context, c *candidate, results []deploy.Result) error {
	for _, result := range results {
		if err := r.concludeOne(ctx, c, result); err != nil {
			return err
		}
	}
	if c.item.targets != state.Served {
		return nil
	}
	if len(results) > 0 {
		c.item.installed, c.item.Outcome.Did = true, max(c.item.Outcome.Did, state.Installed)
	}
	r.prune(c.item)
	return nil
}

// prune removes old versions at each look. What cannot be removed, with its key, is
// tried again at the next one.
func (r *Rollout) prune(item *Item) {
	if err := item.Snapshot.Prune(); err != nil {
		item.untidy = true
		r.host.Log.Warn("an old version, with its key, cannot be removed", "certificate", item.name(), "error", err)
	}
}

func (r *Rollout) concludeOne(ctx context.Context, c *candidate, result deploy.Result) error {
	target := result.Job.Target
	if result.Originals != "" {
		r.host.Say(c.item.name(), state.StepDeploy, "kept the files that were there in "+result.Originals)
	}
	if result.Changed {
		for _, change := range result.Changes {
			r.host.Say(c.item.name(), state.StepDeploy, change)
		}
	}
	for _, warning := range result.Warnings {
		r.host.Log.Warn(warning, "certificate", c.item.name(), "target", target.String())
	}
	if err := r.noteUnkept(c, result); err != nil {
		return err
	}
	if result.Err == nil {
		r.host.Say(c.item.name(), state.StepDeploy, served(result))
		return c.item.Snapshot.Rollout.Deployed(target.ID(), c.item.Snapshot.Current)
	}
	return r.fail(ctx, c.item, target.ID(), result.Err)
}

// fail records that a target is owed, and tells it where that is news.
func (r *Rollout) fail(ctx context.Context, item *Item, target string, cause error) error {
	before := item.Snapshot.Rollout.Targets[target].Failure
	if state.News(state.Cause(cause), cmp.Or(before.Cause, before.Text)) && ctx.Err() == nil {
		r.addFailure(item, cause)
	}
	outcome, err := r.owe(ctx, item.Snapshot, target, cause)
	item.add(outcome)
	return err
}

// owe records that a target, or the hooks of an event, failed, and when it is
// tried again.
func (r *Rollout) owe(ctx context.Context, s state.Snapshot, target string, cause error) (state.Outcome, error) {
	outcome := state.Outcome{Certificate: s.Config.Name, Class: state.NotServed, Step: state.StepDeploy, Err: cause}
	if ctx.Err() != nil {
		return outcome, nil
	}
	known := s.Rollout.Targets[target]
	leaf, _ := bundle.LoadLeaf(s.Store.Path(known.Version)) // as far as is known
	outcome.Next = state.Now().Add(state.BeforeEmergency(state.Backoff(known.Failures, cause), leaf, state.Now()))
	r.host.Observe(state.Progress{At: state.Now(), Certificate: s.Config.Name, Step: state.StepDeploy, Err: cause})
	return outcome, s.Rollout.Fail(target, s.Current, failure(cause, outcome))
}

func failure(cause error, o state.Outcome) rollout.Failure {
	f := rollout.Failure{Text: cause.Error(), Hint: hint.Of(cause), Cause: state.Cause(cause), Until: o.Next}
	var failed *command.Failure
	if errors.As(cause, &failed) { // a check, a reload or a hook
		f.Command = &rollout.Command{Program: failed.Program, ExitCode: failed.ExitCode, Output: failed.Output}
	}
	return f
}

func served(result deploy.Result) string {
	if len(result.Served) == 0 {
		return "installed at " + result.Job.Target.String()
	}
	return fmt.Sprintf("installed at %s; %s", result.Job.Target.String(), result.Served[0].Describe(result.Job.Bundle))
}
