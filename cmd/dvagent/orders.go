package main

import "github.com/spf13/cobra"

func (c *cli) ordersCommand() *cobra.Command {
	var asJSON bool
	var account string
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "List the account's instances and orders",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.cas(cmd.Context(), account)
			if err != nil {
				return err
			}
			table, rows, err := api.orders(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(rows)
			}
			return c.table(table...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.wantsAccount(cmd, &account)
	return cmd
}

// instanceRow is one element of `orders --json`.
type instanceRow struct {
	Instance string `json:"instance"`
	Type     string `json:"type"`
	Status   string `json:"status"`
	Source   string `json:"source"`
	ID       int64  `json:"id"` // at 2020-04-07 of an order from a package; its instances have none
}
