package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"dvagent/internal/line"
	"dvagent/internal/message"
	"dvagent/internal/terminal"
	"dvagent/internal/words"
)

// wantsJSON gives a command the flag --json.
func wantsJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

func (c *cli) printJSON(v any) error {
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// screen is standard output as people see it: with colours and a width, or plain.
func (c *cli) screen() terminal.Screen { return c.screenOf(c.stdout.to) }

func (c *cli) screenOf(w io.Writer) terminal.Screen {
	screen := terminal.Of(w)
	screen.Say = c.language().Text
	return screen
}

// language is what the configuration chooses, once it is read, or the environment.
func (c *cli) language() message.Language {
	return message.Chosen(c.chosen)
}

// printf prints a text of the catalogue to standard output.
func (c *cli) printf(format string, args ...any) {
	fmt.Fprint(c.stdout, c.language().Sprintf(format, args...))
}

// table prints rows in aligned columns; the first row is their titles.
func (c *cli) table(rows ...[]string) error {
	var columns []terminal.Column
	for _, title := range rows[0] {
		columns = append(columns, terminal.Column{Title: title})
	}
	var cells [][]terminal.Cell
	for _, row := range rows[1:] {
		cells = append(cells, plain(row...))
	}
	_, err := io.WriteString(c.stdout, c.screen().Table(columns, cells))
	return err
}

// plain makes cells without a style of texts that may come from elsewhere.
func plain(texts ...string) []terminal.Cell {
	var cells []terminal.Cell
	for _, text := range texts {
		cells = append(cells, terminal.Cell{Text: line.Of(text)})
	}
	return cells
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// day is a date and how far off it is.
func day(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return words.Date(t) + " (" + words.Away(t, now) + ")"
}

// minute is a time to the minute.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return words.Minute(t)
}

// moment is a time to the minute and how far off it is.
func moment(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return words.Minute(t) + " (" + words.Away(t, now) + ")"
}
