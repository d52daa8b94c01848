package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) contactsCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:   "contacts",
		Short: "List the account's contacts, whose ids go into [contact.NAME]",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.cas(cmd.Context(), account)
			if err != nil {
				return err
			}
			contacts, err := api.contacts(cmd.Context())
			if err != nil {
				return err
			}
			rows := [][]string{{"ID", "NAME", "MOBILE", "E-MAIL"}}
			for _, x := range contacts {
				rows = append(rows, []string{strconv.FormatInt(x.ContactID, 10), x.Name, masked(x.Mobile), x.Email})
			}
			return c.table(rows...)
		},
	}
	c.wantsAccount(cmd, &account)
	return cmd
}

// masked is a telephone number of which the last four digits can be read.
func masked(number string) string {
	digits := []rune(number)
	hidden := max(len(digits)-4, 0)
	return strings.Repeat("*", hidden) + string(digits[hidden:])
}
