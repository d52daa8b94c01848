package main

import (
	"fmt"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/line"
	"dvagent/internal/words"
)

// outcomeCode returns the exit code of the worst outcome.
func outcomeCode(outcomes []state.Outcome) int {
	return map[state.Class]int{
		state.Served: exitOK, state.Pending: exitPending, state.NotServed: exitNotServed,
		state.NoInstance: exitNoInstance, state.Failure: exitFailed,
	}[state.Worst(outcomes)]
}

// outcomeRow is one element of `renew --json`.
type outcomeRow struct {
	Name     string    `json:"name"`
	Result   string    `json:"result"`        // ok, pending, not served, no instance or failed
	Did      string    `json:"did,omitempty"` // the greatest thing that was done
	Step     string    `json:"step,omitempty"`
	WaitsFor string    `json:"waits_for,omitempty"`
	Next     time.Time `json:"next,omitzero"` // when it is looked at again
	Error    string    `json:"error,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Text     string    `json:"text"` // the same in words
}

func rowOf(o state.Outcome) outcomeRow {
	row := outcomeRow{
		Name: o.Certificate, Step: o.Step, WaitsFor: o.Waiting, Next: o.Next, Hint: o.Hint(), Text: describe(o),
		Result: map[state.Class]string{state.Served: "ok", state.Pending: "pending", state.NotServed: "not served",
			state.NoInstance: "no instance", state.Failure: "failed"}[o.Class],
		Did: map[state.Deed]string{state.Swept: "removed a record", state.Told: "ran hooks", state.Uploaded: "uploaded",
			state.Installed: "installed", state.TookOver: "took over", state.WentBack: "went back", state.Imported: "imported", state.Forgot: "forgot"}[o.Did],
	}
	if o.Ordered {
		row.Did = "renewed"
	}
	if o.Err != nil {
		row.Error = o.Err.Error()
	}
	return row
}

// finish prints how each certificate ended, and returns the exit code of the
// worst one as an error.
func (c *cli) finish(outcomes []state.Outcome, f finishing) error {
	rows := []outcomeRow{}
	for _, outcome := range outcomes {
		if outcome.Err != nil {
			c.complainOf(outcome.Certificate, outcome.Err)
		}
		if f.asJSON {
			rows = append(rows, rowOf(outcome))
		} else if !f.quiet || outcome.Err == nil && outcome.Class != state.Served {
			c.printf("%s: %s\n", outcome.Certificate, describe(outcome))
		}
	}
	if f.asJSON {
		if err := c.printJSON(rows); err != nil {
			return err
		}
	}
	if code := outcomeCode(outcomes); code != exitOK {
		return exitError{code}
	}
	return nil
}

func describe(o state.Outcome) string {
	next := words.Minute(o.Next)
	if o.Step == state.StepFollow && o.Waiting != "" {
		return "follows: " + line.Of(o.Waiting)
	}
	switch o.Class {
	case state.Pending:
		if o.Waiting == "" {
			return "pending at the step " + o.Step
		}
		return fmt.Sprintf("pending at the step %s, waiting for: %s", o.Step, line.Of(o.Waiting))
	case state.NotServed:
		switch o.Step {
		case state.StepHook:
			return "issued and installed, but a hook failed; it is owed"
		case state.StepUpload:
			return "issued, but not uploaded to the account; the upload is owed"
		}
		return "issued, but not served; the deployment is owed"
	case state.NoInstance:
		return "no spare instance"
	case state.Failure:
		if o.Step == "" {
			return "failed" // before any step: the error says why
		}
		return "failed at the step " + o.Step
	}
	switch {
	case o.Ordered:
		return fmt.Sprintf("renewed; next renewal %s", next)
	case o.Did == state.Forgot:
		return "forgotten; what was installed stays where it is"
	case o.Next.IsZero():
		return "done"
	}
	return fmt.Sprintf(map[state.Deed]string{
		state.Nothing:   "nothing to do until %s",
		state.Swept:     "removed the record that was owed; next renewal %s",
		state.Told:      "ran the hooks that were owed; next renewal %s",
		state.Uploaded:  "uploaded to the account; next renewal %s",
		state.Installed: "installed; next renewal %s",
		state.TookOver:  "took over the certificate in place; next renewal %s",
		state.WentBack:  "followed a rollback of the fleet; next renewal %s",
		state.Imported:  "imported and installed; next renewal %s",
	}[o.Did], next)
}
