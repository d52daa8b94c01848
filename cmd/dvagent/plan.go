package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/internal/line"
)

func (c *cli) planCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be done and why; change and call nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, _, err := c.agent(agent.Options{})
			if err != nil {
				return err
			}
			plan, err := a.Plan(cmd.Context(), time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(plan)
			}
			return c.printPlan(plan)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *cli) printJSON(v any) error {
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// table prints rows in aligned columns.
func (c *cli) table(rows ...[]string) error {
	w := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = line.Of(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func (c *cli) printPlan(plan agent.Plan) error {
	rows := [][]string{{"CERTIFICATE", "ACTION", "REASON", "NOT AFTER", "RENEWS AT", "NEXT"}}
	for _, p := range plan.Certificates {
		rows = append(rows, []string{p.Name, p.Action, orDash(p.Reason), day(p.NotAfter), minute(p.RenewsAt), p.Next})
	}
	if err := c.table(rows...); err != nil {
		return err
	}
	for _, p := range plan.Certificates {
		for _, d := range p.Deployments {
			fmt.Fprintf(c.stdout, "%s: %s: %s\n", p.Name, d.Target, strings.Join(d.Lacks, "; "))
		}
		for _, warning := range p.Warnings {
			fmt.Fprintf(c.stdout, "%s: warning: %s\n", p.Name, warning)
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}
