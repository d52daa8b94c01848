package dvagent_test

import (
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

// A translation has the name of its page, and shows the same to be run.
func TestEachTranslationStandsBesideItsPage(t *testing.T) {
	pages := documentation(t)
	for _, p := range pages {
		name, translated := strings.CutPrefix(p.Path, "docs/zh/")
		original := "docs/" + name
		if p.Path == "README.zh-CN.md" {
			translated, original = true, "README.md"
		}
		if !translated {
			continue
		}
		if _, exists := pages[original]; !exists {
			t.Errorf("%s: there is no page %s", p.Path, original)
		}
		if got, want := runnable(p), runnable(pages[original]); !slices.Equal(got, want) {
			t.Errorf("%s shows other commands to be run than %s:\n%q\n%q", p.Path, original, got, want)
		}
	}
}

// runnable are the lines of the blocks that a test runs, but for comments.
func runnable(p page.Page) []string {
	var lines []string
	for _, b := range p.Blocks {
		if b.Mark != "run" {
			continue
		}
		for line := range strings.Lines(b.Text) {
			command, _, _ := strings.Cut(line, "#")
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
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
