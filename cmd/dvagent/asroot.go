package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dvagent/internal/asroot"
	"dvagent/internal/command"
)

// asRootCommand is for dvagent-root@.service: standard input is a connection of
// the agent's.
func (c *cli) asRootCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "as-root COMMAND...",
		Short:  "Run one of these commands for an agent that is not root",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, list []string) error {
			conn, err := net.FileConn(os.Stdin)
			if err != nil {
				return fmt.Errorf("take the connection at standard input: %w", err)
			}
			defer conn.Close()
			log := c.log()
			return asroot.Answer(cmd.Context(), conn, list, func(argv []string, result command.Result) {
				log.Info("ran "+strings.Join(argv, " "), "exit_code", result.ExitCode)
			})
		},
	}
}
