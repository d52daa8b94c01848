package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/agent/view"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/terminal"
	"dvagent/internal/words"
)

func (c *cli) logsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "logs NAME",
		Short:             "Tell what happened in a certificate's open order and its last ten, a line for each fact",
		Args:              one("NAME"),
		ValidArgsFunction: c.keptNames,
		RunE: func(_ *cobra.Command, args []string) error {
			orders, wrong := c.orders(args[0])
			if len(orders) == 0 {
				return wrong
			}
			if asJSON {
				return cmp.Or(c.printJSON(orders), wrong)
			}
			_, err := io.WriteString(c.stdout, logText(c.screen(), orders))
			return cmp.Or(err, wrong)
		},
	}
	wantsJSON(cmd, &asJSON)
	return cmd
}

// orders reads the orders of a certificate that is configured, or was.
func (c *cli) orders(name string) ([]view.LastOrder, error) {
	host, _, err := c.open()
	if err != nil {
		return nil, err
	}
	if err := host.Dir.Usable(); err != nil {
		return nil, usageError{err}
	}
	if _, configured := host.Config.Certificate(name); !configured {
		if _, err := os.Lstat(host.Dir.Certificate(name)); !config.IsName(name) || errors.Is(err, os.ErrNotExist) {
			return nil, host.Unknown(name)
		}
	}
	orders, err := view.Orders(host.Dir, name)
	if err == nil && len(orders) == 0 {
		err = hint.Add(fmt.Errorf("%s has had no order", name), "dvagent plan "+name)
	}
	return orders, err
}

// logText shows orders one after the other, with the reason and the outcome of
// each above its facts.
func logText(s terminal.Screen, orders []view.LastOrder) string {
	var text strings.Builder
	for i, o := range orders {
		if i > 0 {
			text.WriteString("\n")
		}
		head := fmt.Sprintf("open order: %s", o.Reason)
		if o.Outcome != "" {
			head = fmt.Sprintf("order: %s, %s", o.Reason, o.Outcome)
		}
		text.WriteString(s.Paint(terminal.Bold, s.Put(line.Of(head))) + "\n")
		for _, e := range o.History {
			text.WriteString(s.Paragraph(terminal.Cell{Text: words.Second(e.At) + "  ", Style: terminal.Faint}, terminal.Cell{Text: line.Of(e.Text)}))
		}
	}
	return text.String()
}
