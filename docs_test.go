package dvagent_test

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"dvagent/internal/page"
)

// documentation is every page, by its path.
func documentation(t *testing.T) map[string]page.Page {
	t.Helper()
	read, err := page.Documentation(".")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]page.Page{}
	for _, p := range read {
		pages[p.Path] = p
	}
	return pages
}

// target is where a link of a page leads: a path from the root, and an anchor.
func target(from, link string) (to, anchor string) {
	to, anchor, _ = strings.Cut(link, "#")
	if to == "" {
		return from, anchor
	}
	return path.Join(path.Dir(from), to), anchor
}

func TestEachLinkOfTheDocsLeadsSomewhere(t *testing.T) {
	pages := documentation(t)
	links := 0
	for _, p := range pages {
		for _, link := range p.Links {
			if strings.HasPrefix(link.Text, "https://") {
				continue // the tests ask no other host
			}
			links++
			to, anchor := target(p.Path, link.Text)
			if _, err := os.Stat(to); err != nil || strings.HasPrefix(to, "..") {
				t.Errorf("%s:%d: %s leads to no file", p.Path, link.Number, link.Text)
			} else if anchor != "" && !pages[to].Anchors[anchor] {
				t.Errorf("%s:%d: %s has no heading #%s", p.Path, link.Number, to, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links are too few to be all", links)
	}
}

func TestEachPageIsReachedFromReadme(t *testing.T) {
	pages := documentation(t)
	reached := map[string]bool{"README.md": true}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		for _, link := range pages[queue[0]].Links {
			if to, _ := target(queue[0], link.Text); !reached[to] && strings.HasSuffix(to, ".md") {
				reached[to] = true
				queue = append(queue, to)
			}
		}
	}
	for _, p := range pages {
		if !reached[p.Path] {
			t.Errorf("no link leads from README.md to %s", p.Path)
		}
	}
}

// A translation has the name of its page in docs/zh, and the same headings, rows,
// blocks, links and words of code, so that a page that falls behind is noticed.
func TestEachTranslationFollowsItsPage(t *testing.T) {
	pages := documentation(t)
	for _, original := range pages {
		translation := translationOf(original.Path)
		if translation == "" {
			continue
		}
		p, exists := pages[translation]
		if !exists {
			t.Errorf("%s has no translation %s", original.Path, translation)
			continue
		}
		if !leads(original, translation) || !leads(p, original.Path) {
			t.Errorf("%s and %s do not lead to each other", original.Path, translation)
		}
		if !slices.Equal(p.Levels, original.Levels) {
			t.Errorf("%s has headings of the levels %v, and %s %v", translation, p.Levels, original.Path, original.Levels)
		}
		compareBlocks(t, original, p)
		compareWords(t, original, p)
		compareLinks(t, original, p)
	}
	for name := range pages {
		if original, found := strings.CutPrefix(name, "docs/zh/"); found && pages["docs/"+original].Path == "" {
			t.Errorf("%s is a translation of no page", name)
		}
	}
}

// translationOf is where the translation of a page lies, or "": the faults are
// names of tests, and what is for developers is in English.
func translationOf(name string) string {
	base, inDocs := strings.CutPrefix(name, "docs/")
	switch {
	case name == "README.md":
		return "README.zh-CN.md"
	case inDocs && base != "faults.md" && base != "performance.md" && !strings.HasPrefix(base, "zh/"):
		return "docs/zh/" + base
	}
	return ""
}

func leads(from page.Page, to string) bool {
	return slices.ContainsFunc(from.Links, func(link page.Line) bool {
		path, _ := target(from.Path, link.Text)
		return path == to
	})
}

// compareBlocks wants the same to be typed and to be configured; comments may differ,
// and so may what somebody sees.
func compareBlocks(t *testing.T, original, translation page.Page) {
	t.Helper()
	if len(translation.Blocks) != len(original.Blocks) {
		t.Errorf("%s has %d blocks, and %s %d", translation.Path, len(translation.Blocks), original.Path, len(original.Blocks))
		return
	}
	for i, want := range original.Blocks {
		got := translation.Blocks[i]
		same := want.Language == "text" || slices.Equal(uncommented(got.Text), uncommented(want.Text))
		if got.Language != want.Language || got.Mark != want.Mark || !same {
			t.Errorf("%s:%d is not the block of %s:%d", translation.Path, got.Number, original.Path, want.Number)
		}
	}
}

// uncommented are the lines of a block without comments.
func uncommented(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #")
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// compareWords wants as many rows of tables, and each key, flag and name that stands
// as code.
func compareWords(t *testing.T, original, translation page.Page) {
	t.Helper()
	if len(translation.Cells) != len(original.Cells) {
		t.Errorf("%s has %d rows in its tables, and %s %d", translation.Path, len(translation.Cells), original.Path, len(original.Cells))
	}
	for _, want := range original.Spans {
		if !slices.ContainsFunc(translation.Spans, func(got page.Line) bool { return got.Text == want.Text }) {
			t.Errorf("%s has not `%s` of %s:%d", translation.Path, want.Text, original.Path, want.Number)
		}
	}
}

// compareLinks wants a translation to lead wherever its page does, and to translations
// where there are any.
func compareLinks(t *testing.T, original, translation page.Page) {
	t.Helper()
	for _, link := range original.Links {
		to, _ := target(original.Path, link.Text)
		if strings.HasPrefix(link.Text, "https://") || to == translation.Path {
			continue
		}
		if to = cmp.Or(translationOf(to), to); !leads(translation, to) {
			t.Errorf("%s does not lead to %s as %s:%d does", translation.Path, to, original.Path, link.Number)
		}
	}
}

// languages are those of blocks that a test looks into, and text, which is what
// somebody sees.
var languages = []string{"sh", "toml", "json", "ini", "nginx", "crontab", "text"}

func TestTheBlocksOfTheDocsAreSound(t *testing.T) {
	for _, p := range documentation(t) {
		for _, b := range p.Blocks {
			if p.Path == "CONTRIBUTING.md" || p.Path == "CHANGELOG.md" {
				continue // no user's
			}
			if !slices.Contains(languages, b.Language) {
				t.Errorf("%s:%d: no test looks into a block of %q", p.Path, b.Number, b.Language)
			}
			if b.Language == "json" && !json.Valid([]byte(b.Text)) {
				t.Errorf("%s:%d: this is no JSON", p.Path, b.Number)
			}
			if b.Language == "sh" {
				shell := exec.Command("sh", "-n")
				shell.Stdin = strings.NewReader(b.Text)
				if out, err := shell.CombinedOutput(); err != nil {
					t.Errorf("%s:%d: %v: %s", p.Path, b.Number, err, out)
				}
			}
		}
	}
}
