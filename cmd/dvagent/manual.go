//go:build manual

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"dvagent/internal/manual"
)

func init() { ofThisBuild = append(ofThisBuild, (*cli).manualCommand) }

// manualCommand is for packagers. The build tag keeps what makes man pages out of the
// program that is used, which would make its tables at each start.
func (c *cli) manualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "manual DIR DOCS",
		Short:  "Write the man pages",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			addFaults(cmd.Root())
			if err := manual.Write(cmd.Root(), version, args[0], args[1]); err != nil {
				return fmt.Errorf("write the man pages: %w", err)
			}
			return nil
		},
	}
}
