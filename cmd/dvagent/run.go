package main

import (
	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/cmd/dvagent/daemon"
)

func (c *cli) runCommand() *cobra.Command {
	var who state.Caller
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run as a service: renew what is due, converge what has drifted",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := c.log()
			return daemon.Run(cmd.Context(), daemon.Options{
				Log: log, Build: build(), Caller: who,
				Open: func(observe state.Observer) (*agent.Agent, *config.Config, error) { return c.worker(log, observe) },
				Show: func(p state.Progress) { logProgress(log, p) },
			})
		},
	}
	wantsLock(cmd, &who)
	return cmd
}
