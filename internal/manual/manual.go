// Package manual writes dvagent's man pages: one for each command, and that of
// agent.toml, dated by $SOURCE_DATE_EPOCH. What they have in common with the pages of
// docs/ is taken out of these, so that it is written once. It is not linked into the
// program that is used, but for the build that makes the packages.
package manual

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"dvagent/internal/openat"
)

// Write writes the pages of root and of all commands below it into dir, which is made
// where it is not there. docs is the directory of the documentation.
func Write(root *cobra.Command, version, dir, docs string) error {
	made, err := openat.OpenOrMake(dir, 0o755)
	if err != nil {
		return err
	}
	defer made.Close()
	m := manual{dir: made, version: version, docs: docs}
	root.DisableAutoGenTag = true
	m.commands(root)
	m.configuration()
	return m.err
}

// manual writes pages until one fails.
type manual struct {
	dir     *openat.Dir
	version string // of dvagent
	docs    string // the directory of the documentation's pages
	err     error
}

func (m *manual) commands(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			m.commands(sub)
		}
	}
	var page bytes.Buffer
	header := doc.GenManHeader{Section: "8", Source: "dvagent " + m.version, Manual: "dvagent"}
	if err := doc.GenMan(cmd, &header, &page); err != nil {
		m.fail(err)
		return
	}
	before, after, found := strings.Cut(page.String(), ".SH SEE ALSO")
	_, own, _ := strings.Cut(m.roff("% X(8)\n\n# EXIT STATUS\n\n"+m.between("commands.md", "| exit code | means |", "\n## ")+"\n# FILES\n\n"+filesOf(m.between("how-it-works.md", "```text\nstate_dir/", "\n## "))), ".SH")
	also := "\n.SH SEE ALSO" + after
	if !found {
		also = "\n.SH SEE ALSO\n"
	}
	m.write(strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".8", before+".SH"+own+also+"\n\\fBagent.toml(5)\\fP\n")
}

// filesOf are what every command reads, before the state directory.
func filesOf(state string) string {
	return "`/etc/dvagent/agent.toml`, and `conf.d/*.toml` beside it: the configuration, see agent.toml(5).\n\n" +
		"`/var/lib/dvagent`: the state, if `state_dir` says nothing else:\n\n" + state
}

func (m *manual) configuration() {
	title := fmt.Sprintf("%% \"AGENT.TOML\" \"5\" \"\" \"dvagent %s\" \"dvagent\"\n", m.version)
	m.write("agent.toml.5", m.roff(title+"\n# NAME\n\nagent.toml - the configuration of dvagent\n\n# DESCRIPTION\n\n"+
		m.between("configuration.md", "The file is TOML.", "\n## ")+
		"\n# EXAMPLE\n\n"+m.between("configuration.md", "```toml\n[account.main]", "\n```\n")+
		"```\n\n# FILES\n\n`/etc/dvagent/agent.toml`, `/etc/dvagent/conf.d/*.toml`; `/usr/share/doc/dvagent/agent.toml.example` shows every key.\n"+
		"\n# SEE ALSO\n\n**dvagent(8)**, **dvagent-check(8)**\n"))
}

// between is a page of the docs from first on and up to end, or the page's own.
func (m *manual) between(page, first, end string) string {
	file, err := openat.ReadFile(filepath.Join(m.docs, page), 1<<20)
	if err != nil {
		m.fail(err)
		return ""
	}
	i := strings.Index(string(file.Data), first)
	if i < 0 {
		m.fail(fmt.Errorf("%s has no %q", page, first))
		return ""
	}
	text, _, _ := strings.Cut(string(file.Data)[i:], end)
	return text + "\n"
}

var (
	link  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[([^\]\n]+)\]\([^)\s]*\)`) })
	table = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("(?m)^### `([^`\n]+)`$") }) // what begins a table of agent.toml
)

// roff makes headings of the names of tables, and lists of tables with columns,
// which are wider than a terminal; where links lead is left out.
func (m *manual) roff(markdown string) string {
	markdown = table().ReplaceAllString(link().ReplaceAllString(markdown, "$1"), "### $1")
	var text strings.Builder
	for line := range strings.Lines(markdown) {
		text.WriteString(asTerm(line))
	}
	return strings.TrimPrefix(string(md2man.Render([]byte(text.String()))), ".nh\n")
}

// asTerm makes a term of a row's first cell, and its definition of the others. The
// title of a table and what is below it say no more.
func asTerm(line string) string {
	row, isRow := strings.CutPrefix(strings.TrimRight(line, "\n"), "| ")
	switch {
	case strings.HasPrefix(line, "|---"), isRow && titles[strings.SplitN(row, " |", 2)[0]]:
		return ""
	case !isRow:
		return line
	}
	cells := strings.Split(strings.TrimSuffix(row, "|"), " |")
	definition := strings.TrimSpace(cells[len(cells)-1])
	if fallback := strings.TrimSpace(cells[1]); len(cells) == 3 && fallback != "" {
		definition = strings.TrimSpace(definition + " (default: " + fallback + ")")
	}
	return cells[0] + "\n: " + cmp.Or(definition, "no default") + "\n\n"
}

// titles are the first cells of the rows above a table.
var titles = map[string]bool{"key": true, "exit code": true}

func (m *manual) write(name, text string) {
	if m.err != nil {
		return
	}
	file, err := m.dir.Create(filepath.Base(name))
	if err != nil {
		m.fail(err)
		return
	}
	_, err = file.WriteString(text)
	m.fail(err)
	m.fail(file.Chmod(0o644))
	m.fail(file.Close())
}

func (m *manual) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}
