package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"

	"dvagent/agent/check"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/message"
)

// finding is one element of `check --json`.
type finding struct {
	Level   string `json:"level"` // FAIL, warn or ok
	Subject string `json:"subject"`
	Text    string `json:"text"`
	Hint    string `json:"hint,omitempty"`
}

// levels are those of findings, the worst first.
var levels = []string{"FAIL", "warn", "ok"}

func (f finding) rank() int { return slices.Index(levels, f.Level) }

func findingOf(f check.Finding) finding {
	switch {
	case f.Err == nil:
		return finding{Level: "ok", Subject: f.Subject, Text: line.Of(f.OK)}
	case f.Warning:
		return finding{"warn", f.Subject, line.Of(f.Err.Error()), line.Of(hint.Of(f.Err))}
	}
	return finding{"FAIL", f.Subject, line.Of(f.Err.Error()), line.Of(hint.Of(f.Err))}
}

// fewFindings is how many findings that are well are listed one by one.
const fewFindings = 100

// printFindings prints what fails first, and how much of each there is.
func (c *cli) printFindings(wanted checks, found []check.Finding) error {
	findings := make([]finding, len(found))
	count := map[string]int{}
	for i, f := range found {
		findings[i] = findingOf(f)
		count[findings[i].Level]++
	}
	slices.SortStableFunc(findings, func(a, b finding) int { return cmp.Compare(a.rank(), b.rank()) })
	if wanted.asJSON {
		return c.printJSON(findings)
	}
	lines, language := bufio.NewWriter(c.stdout), c.language()
	for _, f := range findings {
		if well := f.Level == "ok"; !well || !wanted.quiet && (count["ok"] <= fewFindings || len(wanted.names) > 0) {
			f.print(lines, language)
		}
	}
	_ = lines.Flush() // c.stdout remembers what is lost
	switch {
	case wanted.quiet:
		return nil
	case count["ok"] > fewFindings && len(wanted.names) == 0:
		c.printf("\nfailed: %d, warnings: %d, well: %d; dvagent check NAME lists those of one certificate, and --json all\n", count["FAIL"], count["warn"], count["ok"])
	default:
		c.printf("\nfailed: %d, warnings: %d, well: %d\n", count["FAIL"], count["warn"], count["ok"])
	}
	return nil
}

func (f finding) print(to io.Writer, language message.Language) {
	text := fmt.Sprintf("%-4s  %s: %s", f.Level, f.Subject, language.Text(f.Text))
	if f.Hint != "" {
		text += language.Sprintf(" (hint: %s)", f.Hint)
	}
	fmt.Fprintln(to, text)
}

// failedOf is the exit code of what was found.
func failedOf(findings []check.Finding) error {
	if slices.ContainsFunc(findings, func(f check.Finding) bool { return f.Err != nil && !f.Warning }) {
		return exitError{exitFailed}
	}
	return nil
}
