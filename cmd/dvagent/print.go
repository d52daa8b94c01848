package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"dvagent/internal/line"
	"dvagent/internal/terminal"
)

func (c *cli) printJSON(v any) error {
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// screen is what standard output shows people.
func (c *cli) screen() terminal.Screen { return terminal.Of(c.stdout) }

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

// plain makes cells of texts, which may be others'.
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
	return t.Local().Format(time.DateOnly) + " (" + away(t, now) + ")"
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// moment is a time to the minute and how far off it is.
func moment(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return minute(t) + " (" + away(t, now) + ")"
}

// away is how far off a time is, in the largest unit of which there are two.
func away(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

func span(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.of {
			return fmt.Sprintf("%d %s", d/unit.of, unit.name)
		}
	}
	return number(int(d/time.Second), "second")
}

// number is how many there are of something.
func number(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
