package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/internal/line"
)

func (c *cli) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "status [NAME]",
		Short:             "Show how each certificate stands; works while the service runs",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			status, wrong := c.status(cmd.Context(), args)
			if status == nil {
				return wrong
			}
			show := c.printStatus
			if asJSON {
				show = func(status agent.Status) error { return c.printJSON(status) }
			}
			if err := show(*status); err != nil {
				return err
			}
			return wrong
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// status reads how things stand. Where the configuration cannot be used, the
// service that runs says how they stand under the one that it uses, and the
// error comes beside that.
func (c *cli) status(ctx context.Context, names []string) (*agent.Status, error) {
	a, cfg, err := c.agent(agent.Options{})
	if err != nil {
		return statusBeside(ctx, config.StateDir(c.configPath), names), err
	}
	status, err := a.Status(ctx, time.Now(), names...)
	if err != nil {
		return nil, err
	}
	status.Service = serviceBeside(ctx, cfg.StateDir)
	return &status, nil
}

func (c *cli) printStatus(status agent.Status) error {
	rows := [][]string{{"CERTIFICATE", "NAMES", "NOT AFTER", "RENEWS AT", "ORDER", "DEPLOYED", "SERVED", "NEXT"}}
	for _, s := range status.Certificates {
		rows = append(rows, []string{s.Name, strings.Join(s.Domains, ","), day(s.NotAfter), minute(s.RenewsAt),
			orderCell(s.Order), deployedCell(s), servedCell(s), s.Next})
	}
	for _, o := range status.Orphans {
		rows = append(rows, []string{o.Certificate, "(not configured)", "-", "-", orderCell(&o.Order), "-", "-", o.Next})
	}
	if err := c.table(rows...); err != nil {
		return err
	}
	if s := status.Service; s != nil && s.ConfigError != nil {
		fmt.Fprintf(c.stdout, "service: since %s the configuration cannot be used, and the one of %s stays: %s\n",
			minute(s.ConfigError.Since), minute(s.ConfigAt), line.Of(s.ConfigError.Error))
	}
	for _, s := range status.Certificates {
		c.printTroubles(s)
	}
	for _, n := range status.Notify {
		fmt.Fprintf(c.stdout, "%s; tried again at %s\n", line.Of(n.Error), minute(n.RetryAt))
	}
	for _, r := range status.Records {
		fmt.Fprintf(c.stdout, "%s: the TXT record %s in zone %s is in place or still to be removed\n", r.Certificate, line.Of(r.Name), line.Of(r.Zone))
	}
	return nil
}

func (c *cli) printTroubles(s agent.CertificateStatus) {
	if s.Order != nil && s.Order.Error != "" {
		fmt.Fprintf(c.stdout, "%s: order: %s\n", s.Name, line.Of(s.Order.Error))
	}
	for _, trouble := range []string{s.Error, s.HookError} {
		if trouble != "" {
			fmt.Fprintf(c.stdout, "%s: %s\n", s.Name, line.Of(trouble))
		}
	}
	for _, f := range s.FailedHooks {
		c.printFailedCommand(s.Name+": hook of event "+f.Event, &f)
	}
	for _, d := range s.Deployments {
		if d.Error != "" {
			fmt.Fprintf(c.stdout, "%s: %s: %s\n", s.Name, d.Target, line.Of(d.Error))
		}
		c.printFailedCommand(s.Name+": "+d.Target, d.FailedCommand)
		for _, probe := range d.Probes {
			fmt.Fprintf(c.stdout, "%s: %s\n", s.Name, line.Of(probe))
		}
		for _, warning := range d.Warnings {
			fmt.Fprintf(c.stdout, "%s: warning: %s\n", s.Name, line.Of(warning))
		}
	}
}

// printFailedCommand is one line, whatever the command wrote.
func (c *cli) printFailedCommand(of string, f *agent.FailedCommand) {
	if f == nil {
		return
	}
	fmt.Fprintf(c.stdout, "%s: %s: exit code %d at %s; it wrote: %s\n", of, line.Of(f.Program), f.ExitCode,
		minute(f.At), line.Of(strings.ReplaceAll(cmp.Or(f.Output, "nothing"), "\n", " / ")))
}

func orderCell(o *agent.OrderStatus) string {
	switch {
	case o == nil:
		return "-"
	case o.Stopped:
		return o.Step + " (stopped)"
	case o.WaitsFor != "":
		return o.Step + ": " + o.WaitsFor
	}
	return o.Step
}

func deployedCell(s agent.CertificateStatus) string {
	switch {
	case len(s.Deployments) == 0:
		return "-"
	case s.Held:
		return yes(s.Deployed) + " (held)"
	}
	return yes(s.Deployed)
}

func servedCell(s agent.CertificateStatus) string {
	for _, d := range s.Deployments {
		if len(d.Probes) > 0 {
			return yes(s.Served)
		}
	}
	return "-"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
