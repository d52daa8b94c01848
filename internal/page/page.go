// Package page reads the documentation for tests: where the links of a page of
// Markdown lead, which anchors it has, and what it shows as code. It renders
// nothing, and knows no more of Markdown than these pages use.
package page

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Page is one page.
type Page struct {
	Path    string // from the root of the repository, by slashes
	Links   []Line // what stands in the parentheses of a link
	Spans   []Line // code within a line
	Cells   []Line // the first one of each row of a table
	Blocks  []Block
	Levels  []int           // of its headings, from 1
	Anchors map[string]bool // of its headings, as GitHub makes them
}

// Line is a piece of a page and the number of its line.
type Line struct {
	Number int
	Text   string
}

// Block is a fenced block of code. Mark is the HTML comment on the line before it,
// such as "run" of <!-- run -->.
type Block struct {
	Line           // the lines between the fences
	Language, Mark string
}

// Documentation reads what people read: the pages beside README.md, and those below
// docs/.
func Documentation(root string) ([]Page, error) {
	paths, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var pages []Page
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		read, err := Parse(filepath.ToSlash(name), string(text))
		if err != nil {
			return nil, err
		}
		pages = append(pages, read)
	}
	return pages, nil
}

var (
	fence   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("^( *)```([a-z]*)$") })
	heading = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(#{1,6}) +(.+?) *$`) })
	cell    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\| ?(.*?) *\|`) })
	link    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\]\(([^()\s]+)\)`) })
	span    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("`([^`]+)`") })
	comment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^ *<!-- (.+) -->$`) })
)

// Parse reads the text of a page. A block that does not end is an error.
func Parse(path, text string) (Page, error) {
	p := Page{Path: path, Anchors: map[string]bool{}}
	var inside *Block
	var indent, mark string
	var paragraph Line
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		found := fence().FindStringSubmatch(line)
		if inside == nil && (found != nil || line == "") {
			p.prose(paragraph)
			paragraph = Line{}
		}
		switch {
		case inside != nil && found != nil && found[1] == indent && found[2] == "":
			p.Blocks, inside = append(p.Blocks, *inside), nil
		case inside != nil:
			inside.Text += strings.TrimPrefix(line, indent) + "\n"
		case found != nil:
			inside, indent = &Block{Line: Line{Number: number}, Language: found[2], Mark: mark}, found[1]
		case line != "":
			if paragraph.Text == "" {
				paragraph.Number = number
			}
			paragraph.Text += line + "\n"
		}
		mark = ""
		if found := comment().FindStringSubmatch(line); found != nil {
			mark = found[1]
		}
	}
	p.prose(paragraph)
	if inside != nil {
		return p, fmt.Errorf("%s:%d: the block does not end", path, inside.Number)
	}
	return p, nil
}

// prose reads lines that belong together. Code may go on in the next one.
func (p *Page) prose(paragraph Line) {
	for line := range strings.Lines(paragraph.Text) {
		if found := heading().FindStringSubmatch(strings.TrimSuffix(line, "\n")); found != nil {
			p.Levels = append(p.Levels, len(found[1]))
			p.addAnchor(found[2])
		}
	}
	p.Cells = append(p.Cells, paragraph.find(cell())...)
	p.Spans = append(p.Spans, paragraph.find(span())...)
	paragraph.Text = span().ReplaceAllStringFunc(paragraph.Text, func(code string) string {
		return strings.Repeat("\n", strings.Count(code, "\n"))
	})
	p.Links = append(p.Links, paragraph.find(link())...)
}

// find is the group of each match, with the number of its own line.
func (l Line) find(pattern *regexp.Regexp) []Line {
	var found []Line
	for _, at := range pattern.FindAllStringSubmatchIndex(l.Text, -1) {
		text := strings.Join(strings.Fields(l.Text[at[2]:at[3]]), " ")
		found = append(found, Line{l.Number + strings.Count(l.Text[:at[2]], "\n"), text})
	}
	return found
}

// addAnchor notes the anchor of a heading; the second one of the same text has -1
// behind it.
func (p *Page) addAnchor(title string) {
	anchor := Anchor(title)
	for n := 1; p.Anchors[anchor]; n++ {
		anchor = fmt.Sprintf("%s-%d", Anchor(title), n)
	}
	p.Anchors[anchor] = true
}

// Anchor is what GitHub makes of a heading: letters, digits, hyphens and
// underscores in lower case, in any script, and a hyphen for each blank.
func Anchor(title string) string {
	title = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}
