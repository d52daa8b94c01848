package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/line"
	"dvagent/internal/terminal"
	"dvagent/internal/words"
)

func (c *cli) planCommand() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:               "plan [NAME...]",
		Short:             "Show what would be done and why; change and call nothing",
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			plan, err := c.plan(cmd.Context(), names)
			if err != nil {
				return err
			}
			return c.printPlan(plan, asJSON, all || len(names) > 0)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, of every certificate")
	cmd.Flags().BoolVar(&all, "all", false, "list also what renews later than all that is worth a look now")
	return cmd
}

// plan reads what would be done for the certificates of these names; none stands
// for all.
func (c *cli) plan(ctx context.Context, names []string) (view.Plan, error) {
	host, _, err := c.open()
	if err != nil {
		return view.Plan{}, err
	}
	if err := host.Dir.Usable(); err != nil {
		return view.Plan{}, usageError{err}
	}
	wanted, err := host.Selected(names)
	if err != nil {
		return view.Plan{}, err
	}
	plan := view.ReadPlan(ctx, host, time.Now())
	plan.Certificates = slices.DeleteFunc(plan.Certificates, func(p view.Planned) bool { return !wanted[p.Name] })
	return plan, nil
}

func (c *cli) printPlan(plan view.Plan, asJSON, all bool) error {
	if asJSON {
		return c.printJSON(plan)
	}
	_, err := io.WriteString(c.stdout, planText(c.screen(), plan, all))
	return err
}

const (
	soon      = 30 * 24 * time.Hour // renewals within it are listed
	fewEnough = 40                  // up to so many certificates are all listed
)

var planColumns = []terminal.Column{
	{Title: "CERTIFICATE"}, {Title: "ACTION"}, {Title: "REASON", Spare: 3}, {Title: "NOT AFTER", Spare: 2},
	{Title: "RENEWS AT", Spare: 1}, {Title: "NEXT"},
}

// planText lists what there is to do now, then what comes later, soonest first.
func planText(s terminal.Screen, plan view.Plan, all bool) string {
	slices.SortStableFunc(plan.Certificates, func(a, b view.Planned) int {
		return cmp.Or(cmp.Compare(waits(a), waits(b)), a.RenewsAt.Compare(b.RenewsAt))
	})
	now, coming := 0, 0
	var rows [][]terminal.Cell
	for _, p := range plan.Certificates {
		within := p.RenewsAt.Before(plan.At.Add(soon))
		switch {
		case p.Action != view.ActionNone:
			now++
		case within:
			coming++
		}
		if all || p.Action != view.ActionNone || within || len(plan.Certificates) <= fewEnough {
			rows = append(rows, planRow(p, plan.At))
		}
	}
	var text strings.Builder
	text.WriteString(sentence(s, terminal.Plain, fmt.Sprintf("%s: %d with something to do now, %d to renew in the next 30 days",
		words.Count(len(plan.Certificates), "certificate"), now, coming)))
	text.WriteString(sentence(s, terminal.Faint, "dates are by the clock of this host, "+words.Clock(plan.At)) + "\n")
	text.WriteString(s.Table(planColumns, rows))
	if later := len(plan.Certificates) - len(rows); later > 0 {
		text.WriteString(sentence(s, terminal.Plain, fmt.Sprintf("and %d that renew later; dvagent plan --all lists them", later)))
	}
	text.WriteString(planRemarks(s, plan))
	return text.String()
}

// sentence is a text in the reader's language, wrapped to the screen.
func sentence(s terminal.Screen, style terminal.Style, text string) string {
	return s.Paragraph(terminal.Cell{}, terminal.Cell{Text: text, Style: style})
}

// waits ranks certificates: 0 for something to do at once, 1 for something to
// wait for, 2 for nothing to do.
func waits(p view.Planned) int {
	switch p.Action {
	case view.ActionNone:
		return 2
	case view.ActionWait:
		return 1
	}
	return 0
}

func planRow(p view.Planned, now time.Time) []terminal.Cell {
	row := plain(p.Name, p.Action, orDash(p.Reason), day(p.NotAfter, now), moment(p.RenewsAt, now), p.Next)
	switch {
	case p.Error != "" || p.Reason == state.ReasonEmergency:
		row[1].Style = terminal.Red
	case p.Action == view.ActionNone:
		row[1].Style = terminal.Green
	case p.Action == view.ActionWait:
		row[1].Style = terminal.Yellow
	default:
		row[1].Style = terminal.Cyan
	}
	return row
}

// planRemarks says what each target lacks, and gives each warning once.
func planRemarks(s terminal.Screen, plan view.Plan) string {
	var text strings.Builder
	say := func(remark string) {
		text.WriteString(s.Paragraph(terminal.Cell{}, terminal.Cell{Text: line.Of(remark)}))
	}
	warned := map[string][]string{}
	for _, p := range plan.Certificates {
		for _, d := range p.Deployments {
			say(fmt.Sprintf("%s: %s: %s", p.Name, d.Target, strings.Join(d.Lacks, "; ")))
		}
		for _, warning := range p.Warnings {
			warned[warning] = append(warned[warning], p.Name)
		}
	}
	for _, warning := range slices.Sorted(maps.Keys(warned)) {
		names := warned[warning]
		whose := strings.Join(names[:min(len(names), 3)], ", ")
		if more := len(names) - 3; more > 0 {
			whose += fmt.Sprintf(" and %d more", more)
		}
		say(whose + ": warning: " + warning)
	}
	for _, d := range plan.Damaged {
		say(d.Error + "; nothing is done until it can be read")
	}
	return text.String()
}
