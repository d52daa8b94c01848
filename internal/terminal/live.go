package terminal

import (
	"fmt"
	"io"
	"strings"
)

// Live is a block of lines at the bottom of a terminal that is drawn anew while
// finished lines scroll away above it. It is not safe for concurrent use.
type Live struct {
	out   io.Writer
	drawn []int // widths of the lines that stand there
}

// NewLive makes an empty block.
func NewLive(out io.Writer) *Live { return &Live{out: out} }

// Draw prints what is above, whole lines or nothing, and then the block in
// place of the one before, in one write.
func (l *Live) Draw(s Screen, above string, block []Cell) {
	if above == "" && len(block) == 0 && len(l.drawn) == 0 {
		return
	}
	var text strings.Builder
	text.WriteString("\r")
	if up := l.rows(s) - 1; up > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", up)
	}
	text.WriteString("\x1b[J" + above)
	l.drawn = l.drawn[:0]
	for i, cell := range room(s, block) {
		if i > 0 {
			text.WriteString("\n")
		}
		line := cut(cell.Text, s.Width-1) // the last cell of a line may wrap it
		l.drawn = append(l.drawn, Width(line))
		text.WriteString(s.Paint(cell.Style, line))
	}
	io.WriteString(l.out, text.String())
}

// room leaves out what would scroll away: it could not be drawn over.
func room(s Screen, block []Cell) []Cell {
	most := max(s.Height/2, 1)
	if len(block) <= most {
		return block
	}
	rest := Cell{fmt.Sprintf("… and %d more", len(block)-most+1), Faint}
	return append(block[:most-1:most-1], rest)
}

// rows is how many rows the block takes by now: a terminal that was made
// narrower has wrapped it.
func (l *Live) rows(s Screen) int {
	rows := 0
	for _, width := range l.drawn {
		rows += max((width+s.Width-1)/s.Width, 1)
	}
	return rows
}
