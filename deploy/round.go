package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dvagent/internal/asroot"
	"dvagent/internal/clock"
	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// commands bounds how many run at once: each has a supervisor.
var commands = make(chan struct{}, 16)

// round is the attempts that share a check and a reload.
type round []*attempt

// apply runs the check and the reload for the attempts that need them.
func (r round) apply(ctx context.Context, shift *command.Shift) {
	for _, a := range r {
		a.due = a.Err == nil && (a.Changed || a.Job.Force || len(a.was) == 0 || len(failing(a.was, a.Job.Bundle)) > 0)
	}
	due := r.where(func(a *attempt) bool { return a.due })
	if len(due) == 0 {
		return
	}
	if check := due.run(ctx, shift, due[0].Job.Target.Check); check.Err != nil {
		due.refuse(ctx, shift, check)
		return
	}
	reload := due.run(ctx, shift, due[0].Job.Target.Reload)
	for _, a := range due {
		a.applied = reload.Err == nil
		a.Err = describe("reload", reload)
	}
}

func (r round) where(keep func(*attempt) bool) round {
	return slices.DeleteFunc(slices.Clone(r), func(a *attempt) bool { return !keep(a) })
}

// refuse puts the previous files back after a failed check, if they were a valid
// pair, and checks again: if that fails too, the fault lies elsewhere.
func (r round) refuse(ctx context.Context, shift *command.Shift, check command.Result) {
	undone := r.undo()
	outcome := ""
	if len(undone) > 0 && ctx.Err() == nil {
		if again := undone.run(ctx, shift, undone[0].Job.Target.Check); again.Err != nil {
			outcome = ", and with the previous files too: the fault is not in the certificate"
		}
	}
	for _, a := range r {
		a.Err = a.withOutcome(describe("check", check), outcome)
	}
}

// undo puts the previous files back where they were a valid pair, and returns
// those attempts.
func (r round) undo() round {
	return r.where(func(a *attempt) bool {
		if !a.Changed || !valid(a.Job.Target, a.originals, clock.Now()) {
			return false
		}
		a.restored = a.restore()
		a.RolledBack = a.restored == nil
		a.Changed = !a.RolledBack
		return true
	})
}

// withOutcome adds to err what became of the files.
func (a *attempt) withOutcome(err error, outcome string) error {
	switch {
	case a.restored != nil:
		return fmt.Errorf("%w%s; %w", err, outcome, a.restored)
	case a.RolledBack:
		return fmt.Errorf("%w%s; the previous files are back", err, outcome)
	}
	return fmt.Errorf("%w%s; the new files stay", err, outcome)
}

// run does nothing, and so does not fail, for a command that the targets have
// not.
func (r round) run(ctx context.Context, shift *command.Shift, argv []string) command.Result {
	if len(argv) == 0 {
		return command.Result{}
	}
	var timeout time.Duration
	for _, a := range r {
		timeout = max(timeout, a.Job.Target.timeout())
	}
	commands <- struct{}{}
	defer func() { <-commands }()
	defer r[0].Job.waitsFor(argv[0]+" to end", timeout)()
	c := command.Command{Argv: argv, Env: command.BaseEnv(), Timeout: timeout}
	result := shift.While(func() command.Result { return asroot.Run(ctx, c) })
	if result.Err != nil && ctx.Err() == nil && result.Duration >= timeout {
		result.Err = hint.Add(result.Err, "see why it takes so long, or raise its timeout")
	}
	return result
}

// describe says whether the check or the reload failed and, if it ran, how to
// find out more.
func describe(what string, result command.Result) error {
	if result.Err == nil {
		return nil
	}
	var err error = failure{fmt.Errorf("%s: %w", what, result.Err), what + ": " + causeOf(result.Err)}
	if result.ExitCode > 0 {
		err = hint.Add(err, "run the "+what+" by hand, as the agent's user, and mend what it says")
	}
	return err
}
