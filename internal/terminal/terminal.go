// Package terminal shows text to people: in colours and cut to the width where
// there is a terminal, plain and whole elsewhere. It knows how wide characters
// are, and nothing of what it shows.
package terminal

import (
	"cmp"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Screen is where text is shown. The zero Screen is no terminal: nothing is
// coloured, cut or wrapped.
type Screen struct {
	Width, Height int // in cells; 0 off a terminal
	Colours       bool
	Say           func(text string) string // puts text into the reader's language; nil leaves it as it is
}

// Of looks at what w writes to. There are no colours when the environment has
// NO_COLOR, or a TERM that is dumb or empty.
func Of(w io.Writer) Screen {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return Screen{}
	}
	width, height, _ := term.GetSize(int(file.Fd())) // a serial line has none
	name := os.Getenv("TERM")
	return Screen{Width: cmp.Or(width, 80), Height: cmp.Or(height, 24),
		Colours: os.Getenv("NO_COLOR") == "" && name != "" && name != "dumb"}
}

// Style is how text is set off; its value is the parameter of the escape
// sequence.
type Style string

const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint sets text off where there are colours.
func (s Screen) Paint(style Style, text string) string {
	if !s.Colours || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Put is text in the reader's language.
func (s Screen) Put(text string) string {
	if s.Say == nil {
		return text
	}
	return s.Say(text)
}

// cells knows how wide text is. Characters of ambiguous width are narrow,
// whatever the locale says: terminals of today show them so.
var cells = &runewidth.Condition{StrictEmojiNeutral: true}

// Width is how many cells text without escape sequences takes.
func Width(text string) int { return cells.StringWidth(text) }

// cut shortens text to a width, with an ellipsis at its end; 0 is no limit.
func cut(text string, width int) string {
	if width <= 0 {
		return text
	}
	return cells.Truncate(text, width, "…")
}

// wrap breaks text into lines of up to so many cells, at spaces where it can;
// 0 is no limit.
func wrap(text string, width int) []string {
	if width <= 0 || Width(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
		case Width(line)+1+Width(word) <= width:
			line += " " + word
			continue
		default:
			lines, line = append(lines, line), ""
		}
		pieces := strings.Split(cells.Wrap(word, width), "\n")
		lines, line = append(lines, pieces[:len(pieces)-1]...), pieces[len(pieces)-1]
	}
	return append(lines, line)
}

// Paragraph sets text beside its lead, wrapped to the screen.
func (s Screen) Paragraph(lead, text Cell) string {
	lead.Text, text.Text = s.Put(lead.Text), s.Put(text.Text)
	indent, width := Width(lead.Text), 0
	if s.Width > 0 {
		width = max(s.Width-indent, 1)
	}
	lines := wrap(text.Text, width)
	for i, line := range lines {
		lines[i] = s.Paint(text.Style, line)
	}
	return s.Paint(lead.Style, lead.Text) + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}
