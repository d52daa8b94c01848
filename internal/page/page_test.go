package page

import (
	"slices"
	"strings"
	"testing"
)

func TestAnAnchorIsMadeAsGitHubDoes(t *testing.T) {
	for _, tt := range []struct{ name, title, want string }{
		{"words", "What to buy", "what-to-buy"},
		{"code and punctuation", "`status` and `plan --json`: the fields", "status-and-plan---json-the-fields"},
		{"a link", "See [the docs](docs/README.md)", "see-the-docs"},
		{"Chinese", "安装：用软件包（deb、rpm）", "安装用软件包debrpm"},
		{"Chinese with blanks", "配置 agent.toml", "配置-agenttoml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Anchor(tt.title); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestAPageIsTakenApart(t *testing.T) {
	text := strings.ReplaceAll(`# Title
See [a](b.md#c), '[not](this)' and 'code'.
<!-- run -->
'''sh
ls  # [no](link)
'''
  '''toml
  a = 1
  '''
## Title
| key | b |
|---|---|
| 'c', d | e |

Code 'may
  go' on.
`, "'", "`")
	p, err := Parse("x.md", text)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Line{{2, "b.md#c"}}; !slices.Equal(p.Links, want) {
		t.Errorf("links %v, want %v", p.Links, want)
	}
	if want := []Line{{2, "[not](this)"}, {2, "code"}, {13, "c"}, {15, "may go"}}; !slices.Equal(p.Spans, want) {
		t.Errorf("spans %v, want %v", p.Spans, want)
	}
	want := []Block{{Line{4, "ls  # [no](link)\n"}, "sh", "run"}, {Line{7, "a = 1\n"}, "toml", ""}}
	if !slices.Equal(p.Blocks, want) {
		t.Errorf("blocks %v, want %v", p.Blocks, want)
	}
	if want := []Line{{11, "key"}, {12, "---"}, {13, "`c`, d"}}; !slices.Equal(p.Cells, want) {
		t.Errorf("cells %v, want %v", p.Cells, want)
	}
	if want := []int{1, 2}; !slices.Equal(p.Levels, want) {
		t.Errorf("levels %v, want %v", p.Levels, want)
	}
	if !p.Anchors["title"] || !p.Anchors["title-1"] {
		t.Errorf("anchors %v", p.Anchors)
	}
	if _, err := Parse("x.md", "```sh\n"); err == nil {
		t.Error("a block without an end is taken")
	}
}
