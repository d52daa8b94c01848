package terminal

import (
	"bytes"
	"strings"
	"testing"
)

func TestATableFitsItsScreen(t *testing.T) {
	columns := []Column{{Title: "NAME"}, {Title: "ZONE", Spare: 2}, {Title: "UNTIL", Spare: 1}, {Title: "NEXT"}}
	rows := [][]Cell{
		{{"www", Green}, {"example.com", Plain}, {"in 12 days", Plain}, {"nothing until the end of the month", Plain}},
		{{"证书", Red}, {"例子.测试", Plain}, {"soon", Plain}, {"请联系管理员，以便续订证书", Plain}},
	}
	for _, tt := range []struct {
		name   string
		screen Screen
		want   []string
	}{
		{"off a terminal nothing is cut", Screen{}, []string{
			"NAME  ZONE         UNTIL       NEXT",
			"www   example.com  in 12 days  nothing until the end of the month",
			"证书  例子.测试    soon        请联系管理员，以便续订证书",
		}},
		{"on a terminal that is wide enough nothing is cut", Screen{Width: 65}, []string{
			"NAME  ZONE         UNTIL       NEXT",
			"www   example.com  in 12 days  nothing until the end of the month",
			"证书  例子.测试    soon        请联系管理员，以便续订证书",
		}},
		{"the last column is wrapped, at spaces where there are any", Screen{Width: 56}, []string{
			"NAME  ZONE         UNTIL       NEXT",
			"www   example.com  in 12 days  nothing until the end of",
			"                               the month",
			"证书  例子.测试    soon        请联系管理员，以便续订证",
			"                               书",
		}},
		{"a column that can be spared goes", Screen{Width: 46}, []string{
			"NAME  UNTIL       NEXT",
			"www   in 12 days  nothing until the end of the",
			"                  month",
			"证书  soon        请联系管理员，以便续订证书",
		}},
		{"colours are not counted", Screen{Width: 65, Colours: true}, []string{
			"\x1b[1mNAME\x1b[0m  \x1b[1mZONE\x1b[0m         \x1b[1mUNTIL\x1b[0m       \x1b[1mNEXT\x1b[0m",
			"\x1b[32mwww\x1b[0m   example.com  in 12 days  nothing until the end of the month",
			"\x1b[31m证书\x1b[0m  例子.测试    soon        请联系管理员，以便续订证书",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.screen.Table(columns, rows); got != strings.Join(tt.want, "\n")+"\n" {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestATableOnAScreenOfAnyWidthStaysWithinIt(t *testing.T) {
	columns := []Column{{Title: "NAME"}, {Title: "ZONE", Spare: 1}, {Title: "NEXT"}}
	rows := [][]Cell{{{strings.Repeat("long.", 50), Plain}, {"example.com", Plain}, {strings.Repeat("字", 60) + " and more", Plain}}}
	for width := 8; width < 200; width++ {
		for line := range strings.Lines(Screen{Width: width}.Table(columns, rows)) {
			if got := Width(strings.TrimRight(line, "\n")); got > width {
				t.Fatalf("%d cells on a screen of %d: %q", got, width, line)
			}
		}
	}
}

func TestAParagraphStandsBesideItsLead(t *testing.T) {
	got := Screen{Width: 20}.Paragraph(Cell{"  hint  ", Plain}, Cell{"mend it and try again", Plain})
	if want := "  hint  mend it and\n        try again\n"; got != want {
		t.Errorf("got %q", got)
	}
	if got := (Screen{}).Paragraph(Cell{"  ", Plain}, Cell{"kept  as it is", Plain}); got != "  kept  as it is\n" {
		t.Errorf("got %q", got)
	}
}

func TestWhatIsNoTerminalHasNoColours(t *testing.T) {
	t.Setenv("TERM", "xterm")
	if s := Of(new(bytes.Buffer)); s.Width != 0 || s.Height != 0 || s.Colours {
		t.Errorf("got %+v", s)
	}
}

func TestALiveBlockIsDrawnOverWhereItStands(t *testing.T) {
	var out bytes.Buffer
	l := NewLive(&out)
	block := []Cell{{"one waits", Plain}, {"two waits", Plain}}
	for _, tt := range []struct {
		name   string
		screen Screen
		above  string
		block  []Cell
		want   string
	}{
		{"nothing is not drawn", Screen{Width: 40, Height: 10}, "", nil, ""},
		{"first", Screen{Width: 40, Height: 10}, "", block, "\r\x1b[Jone waits\ntwo waits"},
		{"a finished line above", Screen{Width: 40, Height: 10}, "done\n", block, "\r\x1b[1A\x1b[Jdone\none waits\ntwo waits"},
		{"cut where the screen became narrow, over four wrapped rows", Screen{Width: 6, Height: 10}, "", block, "\r\x1b[3A\x1b[Jone …\ntwo …"},
		{"bounded by the height", Screen{Width: 40, Height: 4}, "", append(block, Cell{"three", Plain}), "\r\x1b[1A\x1b[Jone waits\n… and 2 more"},
		{"gone at the end", Screen{Width: 40, Height: 4}, "", nil, "\r\x1b[1A\x1b[J"},
	} {
		out.Reset()
		if l.Draw(tt.screen, tt.above, tt.block); out.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, out.String(), tt.want)
		}
	}
}

func TestAFrameIsCutToTheHeightAndNotCleared(t *testing.T) {
	got := frame(Screen{Width: 40, Height: 4}, "1\n2\n3\n4\n5\n")
	if want := "\x1b[H1\x1b[K\r\n2\x1b[K\r\n… and 3 more lines\x1b[K\x1b[J"; got != want {
		t.Errorf("got %q", got)
	}
}
