package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"dvagent/cmd/dvagent/demo"
	"dvagent/internal/sandbox"
)

func (c *cli) demoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole job on this machine: no root, no account, no network",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.CASAPI != sandbox.API2018 && o.CASAPI != sandbox.API2020 {
				return usageError{fmt.Errorf("--cas-api %q is neither %s nor %s", o.CASAPI, sandbox.API2018, sandbox.API2020)}
			}
			o.Out = c.stdout
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "stay up afterwards, until it is interrupted")
	cmd.Flags().StringVar(&o.CASAPI, "cas-api", sandbox.API2020, "the `VERSION` of CAS that there is: 2018-07-13 or 2020-04-07")
	return cmd
}
