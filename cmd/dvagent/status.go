package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/cmd/dvagent/daemon"
	"dvagent/internal/line"
	"dvagent/internal/terminal"
	"dvagent/internal/words"
)

// watchPause is how long one look at the status is shown.
const watchPause = 2 * time.Second

func (c *cli) statusCommand() *cobra.Command {
	var asJSON, watch, asCode bool
	cmd := &cobra.Command{
		Use:               "status [NAME]",
		Short:             "Show how each certificate stands, or one in detail; works while the service runs",
		Args:              atMostOne("NAME"),
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			status, wrong := c.status(cmd.Context(), names)
			if status == nil {
				return wrong
			}
			if watch {
				return c.watchStatus(cmd.Context(), asJSON, names)
			}
			err := cmp.Or(c.showStatus(*status, asJSON, len(names) > 0), wrong)
			if code := statusCode(*status); err == nil && asCode && code != exitOK {
				return exitError{code}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asCode, "exit-code", false, "exit with 1, 3, 4 or 5 where not all is well, as renew does")
	cmd.Flags().BoolVar(&watch, "watch", false, "show it anew every two seconds, on a terminal, until q is typed")
	return cmd
}

// status reads how things stand. Where the configuration cannot be used, the
// service that runs says how they stand under the one that it uses, and the
// error comes beside that; so does one of a state that the service cannot use.
func (c *cli) status(ctx context.Context, names []string) (*view.Status, error) {
	host, _, err := c.open()
	if err != nil {
		return daemon.Status(ctx, state.Dir(config.StateDir(c.configPath)), names), err
	}
	status, err := view.ReadStatus(ctx, host, time.Now(), names...)
	if err != nil {
		return nil, err
	}
	if status.Service = daemon.Service(ctx, host.Dir); status.Service == nil {
		status.Unattended = host.Dir.Unattended(status.At)
	}
	if err := host.Dir.Usable(); err != nil {
		return &status, usageError{err}
	}
	return &status, nil
}

func (c *cli) showStatus(status view.Status, asJSON, detail bool) error {
	if asJSON {
		return c.printJSON(status)
	}
	_, err := io.WriteString(c.stdout, statusText(c.screen(), status, detail))
	return err
}

// watchStatus shows the status of the configuration as it is at each look; one
// that is broken by then is shown as such.
func (c *cli) watchStatus(ctx context.Context, asJSON bool, names []string) error {
	out, ok := c.stdout.file()
	if !ok || c.screen().Width == 0 || asJSON {
		return usageError{errors.New("--watch wants a terminal, and goes without --json")}
	}
	terminal.Watch(ctx, os.Stdin, out, watchPause, func(ctx context.Context) func(terminal.Screen) string {
		status, err := c.status(ctx, names)
		seen := time.Now()
		return func(s terminal.Screen) string {
			head := s.Paint(terminal.Faint, "dvagent status at "+seen.Format(time.TimeOnly)+"; q ends it") + "\n\n"
			if err != nil {
				head += s.Paragraph(terminal.Cell{}, terminal.Cell{Text: line.Of(err.Error()), Style: terminal.Red})
			}
			if status == nil {
				return head
			}
			return head + statusText(s, *status, len(names) > 0)
		}
	})
	return nil
}

// statusText shows one certificate in detail, or each of them in a row, the one
// that is worst off first.
func statusText(s terminal.Screen, status view.Status, detail bool) string {
	t := &statusPrinter{Screen: s, now: status.At}
	if detail && len(status.Certificates) == 1 {
		t.detail(status.Certificates[0])
		t.service(status)
		return t.String()
	}
	slices.SortStableFunc(status.Certificates, func(a, b view.CertificateStatus) int {
		return cmp.Or(cmp.Compare(a.State.Rank(), b.State.Rank()), a.NotAfter.Compare(b.NotAfter))
	})
	t.summary(status)
	t.rows(status)
	t.service(status)
	for _, c := range status.Certificates {
		t.troubles(c)
	}
	for _, n := range status.Notify {
		t.say("%s; tried again at %s", line.Of(n.Error), words.Minute(n.RetryAt))
	}
	for _, r := range status.Records {
		if r.File != "" {
			t.say("%s: the file %s is in place or still to be removed", r.Certificate, line.Of(r.File))
			continue
		}
		t.say("%s: the TXT record %s in zone %s is in place or still to be removed", r.Certificate, line.Of(r.Name), line.Of(r.Zone))
	}
	for _, d := range status.Damaged {
		if d.Error != "" {
			t.paint(terminal.Red, line.Of(d.Error)+"; what it holds is not shown")
			continue
		}
		t.say("%s: %s cannot be read, and may hold facts of an order; dvagent goes by what else it knows", line.Of(d.File), words.Count(d.Lines, "line"))
	}
	return t.String()
}

// statusPrinter builds what is shown at a time.
type statusPrinter struct {
	terminal.Screen
	strings.Builder
	now time.Time
}

// say adds a line, which may be wrapped.
func (t *statusPrinter) say(format string, args ...any) {
	t.paint(terminal.Plain, fmt.Sprintf(format, args...))
}

func (t *statusPrinter) paint(style terminal.Style, text string) {
	t.WriteString(t.Paragraph(terminal.Cell{}, terminal.Cell{Text: text, Style: style}))
}

func (t *statusPrinter) summary(status view.Status) {
	all, need := len(status.Certificates), 0
	for _, c := range status.Certificates {
		if c.State.NeedsOperator() {
			need++
		}
	}
	of := "of " + words.Count(all, "certificate")
	switch need {
	case 0:
		t.paint(terminal.Green, "none "+of+" needs you")
	case 1:
		t.paint(terminal.Red, "1 "+of+" needs you")
	default:
		t.paint(terminal.Red, fmt.Sprintf("%d %s need you", need, of))
	}
	if n := len(status.Orphans); n > 0 {
		t.paint(terminal.Yellow, words.Count(n, "open order")+" of no configured certificate")
	}
	t.paint(terminal.Faint, "dates are by the clock of this host, "+words.Clock(t.now))
	t.WriteString("\n")
}

// statusColumns are spared in this order where a terminal is narrow: what NEXT
// says too goes first.
var statusColumns = []terminal.Column{
	{Title: "CERTIFICATE"}, {Title: "STATE"}, {Title: "NAMES", Spare: 6}, {Title: "NOT AFTER", Spare: 1}, {Title: "RENEWS AT", Spare: 5},
	{Title: "ORDER", Spare: 3}, {Title: "DEPLOYED", Spare: 4}, {Title: "SERVED", Spare: 2}, {Title: "NEXT"},
}

func (t *statusPrinter) rows(status view.Status) {
	var rows [][]terminal.Cell
	for _, c := range status.Certificates {
		row := plain(c.Name, string(c.State), strings.Join(c.Domains, ","), day(c.NotAfter, t.now), day(c.RenewsAt, t.now),
			orderOf(c), deployedCell(c), servedCell(c), nextCell(c))
		row[1].Style = stateStyle(c.State)
		rows = append(rows, row)
	}
	for _, o := range status.Orphans {
		row := plain(o.Certificate, "(not configured)", "-", "-", "-", orderCell(&o.Order), "-", "-", o.Next)
		row[1].Style = terminal.Yellow
		rows = append(rows, row)
	}
	t.WriteString(t.Table(statusColumns, rows))
}

// service tells that none runs, of passes of the running one that fail, and of a
// configuration that it does not use.
func (t *statusPrinter) service(status view.Status) {
	if u := status.Unattended; u != nil && u.Alarm {
		t.paint(terminal.Red, fmt.Sprintf("service: %s (hint: %s)", line.Of(u.Text), u.Hint()))
	} else if u != nil {
		t.say("service: %s", line.Of(u.Text))
	}
	s := status.Service
	if s != nil && s.PassError != nil {
		t.paint(terminal.Red, fmt.Sprintf("service: since %s each pass fails, and nothing is renewed: %s",
			words.Minute(s.PassError.Since), line.Of(s.PassError.Error)))
	}
	if s != nil && s.ConfigError != nil {
		t.say("service: since %s the configuration cannot be used, and the one of %s stays: %s",
			words.Minute(s.ConfigError.Since), words.Minute(s.ConfigAt), line.Of(s.ConfigError.Error))
	}
}

func stateStyle(s view.State) terminal.Style {
	switch {
	case s.NeedsOperator():
		return terminal.Red
	case s == view.OK:
		return terminal.Green
	case s == view.Ordering || s == view.Due:
		return terminal.Cyan
	}
	return terminal.Yellow
}

// troubles are what a row has no room for.
func (t *statusPrinter) troubles(c view.CertificateStatus) {
	if c.Order != nil && c.Order.Error != "" {
		t.say("%s: order: %s", c.Name, line.Of(c.Order.Error))
	}
	if c.Upload.Failed() {
		t.say("%s: upload: %s", c.Name, line.Of(c.Upload.Error))
	}
	for _, trouble := range []string{c.Error, c.FollowError, c.FleetError, c.HookError} {
		if trouble != "" {
			t.say("%s: %s", c.Name, line.Of(trouble))
		}
	}
	for _, warning := range c.Warnings {
		t.say("%s: warning: %s", c.Name, line.Of(warning))
	}
	for _, f := range c.FailedHooks {
		t.failedCommand(c.Name+": hook of event "+f.Event, &f)
	}
	for _, d := range c.Deployments {
		if d.Error != "" {
			t.say("%s: %s: %s", c.Name, d.Target, line.Of(d.Error))
		}
		t.failedCommand(c.Name+": "+d.Target, d.FailedCommand)
		for _, probe := range d.Probes {
			t.say("%s: %s", c.Name, line.Of(probe))
		}
		for _, warning := range d.Warnings {
			t.say("%s: warning: %s", c.Name, line.Of(warning))
		}
	}
}

// failedCommand is one line, whatever the command wrote.
func (t *statusPrinter) failedCommand(of string, f *view.FailedCommand) {
	if f == nil {
		return
	}
	t.say("%s: %s: exit code %d at %s; it wrote: %s", of, line.Of(f.Program), f.ExitCode,
		words.Minute(f.At), line.Of(strings.ReplaceAll(cmp.Or(f.Output, "nothing"), "\n", " / ")))
}

func orderOf(c view.CertificateStatus) string {
	if c.Order == nil && c.Follows {
		return "follows"
	}
	return orderCell(c.Order)
}

func orderCell(o *view.OrderStatus) string {
	switch {
	case o == nil:
		return "-"
	case o.Stopped:
		return o.Step + " (stopped)"
	}
	return cmp.Or(o.Step, "-")
}

func nextCell(c view.CertificateStatus) string {
	if c.Order != nil && c.Order.WaitsFor != "" {
		return c.Next + "; it waits for " + c.Order.WaitsFor
	}
	return c.Next
}

func deployedCell(c view.CertificateStatus) string {
	switch {
	case len(c.Deployments) == 0:
		return "-"
	case c.Held:
		return words.YesNo(c.Deployed) + " (held)"
	}
	return words.YesNo(c.Deployed)
}

func servedCell(c view.CertificateStatus) string {
	for _, d := range c.Deployments {
		if len(d.Probes) > 0 {
			return words.YesNo(c.Served)
		}
	}
	return "-"
}
