package main

import (
	"github.com/spf13/cobra"

	"dvagent/cmd/dvagent/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole job on this machine: no root, no account, no network",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), demo.Options{Out: c.stdout, Keep: keep})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "stay up afterwards, until it is interrupted")
	return cmd
}
