package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

func (c *cli) checkCommand() *cobra.Command {
	var online bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the host and, with --online, the account",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, cfg, err := c.agent(agent.Options{})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "ok    configuration: %s, certificates: %d\n", cfg.Path, len(cfg.Certificates))
			findings := a.CheckHost(time.Now())
			if online {
				findings = append(findings, a.CheckOnline(cmd.Context())...)
			}
			return c.printFindings(findings)
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "also check credentials, permissions, zones and spare instances")
	return cmd
}

func (c *cli) printFindings(findings []agent.Finding) error {
	failed := false
	for _, f := range findings {
		switch {
		case f.Err == nil:
			fmt.Fprintf(c.stdout, "ok    %s: %s\n", f.Subject, line.Of(f.OK))
			continue
		case f.Warning:
			fmt.Fprintf(c.stdout, "warn  %s: %s", f.Subject, line.Of(f.Err.Error()))
		default:
			failed = true
			fmt.Fprintf(c.stdout, "FAIL  %s: %s", f.Subject, line.Of(f.Err.Error()))
		}
		if advice := hint.Of(f.Err); advice != "" {
			fmt.Fprintf(c.stdout, " (hint: %s)", line.Of(advice))
		}
		fmt.Fprintln(c.stdout)
	}
	if failed {
		return exitError{exitFailed}
	}
	return nil
}
