package terminal

import (
	"slices"
	"strings"
)

// Column is a column of a table.
type Column struct {
	Title string
	Spare int // those with a higher number go first where there is no room; 0 stays
}

// Cell is one text in a table.
type Cell struct {
	Text  string
	Style Style
}

const (
	gap      = 2  // between two columns
	leastEnd = 24 // what the last column wants, or its widest text
)

// Table sets rows in columns, each row with one cell for each column. On a
// terminal columns go that can be spared, and the last one is wrapped.
func (s Screen) Table(columns []Column, rows [][]Cell) string {
	rows = s.translated(rows)
	head := make([]Cell, len(columns))
	for i, column := range columns {
		head[i] = Cell{s.Put(column.Title), Bold}
	}
	rows = append([][]Cell{head}, rows...)
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], Width(cell.Text))
		}
	}
	shown := s.fit(columns, widths)
	var text strings.Builder
	for _, row := range rows {
		s.row(&text, row, shown, widths)
	}
	return text.String()
}

// translated are rows in the reader's language; those of the caller stay.
func (s Screen) translated(rows [][]Cell) [][]Cell {
	all := make([][]Cell, len(rows))
	for i, row := range rows {
		all[i] = slices.Clone(row)
		for j := range all[i] {
			all[i][j].Text = s.Put(row[j].Text)
		}
	}
	return all
}

// fit chooses the columns to show, and narrows the first and the last.
func (s Screen) fit(columns []Column, widths []int) []int {
	shown := make([]int, len(columns))
	for i := range columns {
		shown[i] = i
	}
	if s.Width == 0 {
		return shown
	}
	last := len(columns) - 1
	least := min(widths[last], leastEnd)
	for s.Width-before(shown, widths) < least {
		spared := -1
		for at, i := range shown {
			if columns[i].Spare > 0 && (spared < 0 || columns[i].Spare > columns[shown[spared]].Spare) {
				spared = at
			}
		}
		if spared < 0 {
			widths[0] = min(widths[0], max(s.Width/3, 1))
			break
		}
		shown = append(shown[:spared], shown[spared+1:]...)
	}
	widths[last] = min(widths[last], max(s.Width-before(shown, widths), 1))
	return shown
}

// before is where the last column begins.
func before(shown, widths []int) int {
	at := 0
	for _, i := range shown[:len(shown)-1] {
		at += widths[i] + gap
	}
	return at
}

func (s Screen) row(text *strings.Builder, row []Cell, shown, widths []int) {
	for _, i := range shown[:len(shown)-1] {
		cell := cut(row[i].Text, widths[i])
		text.WriteString(s.Paint(row[i].Style, cell) + strings.Repeat(" ", widths[i]-Width(cell)+gap))
	}
	last := shown[len(shown)-1]
	width := widths[last]
	if s.Width == 0 {
		width = 0
	}
	for n, line := range wrap(row[last].Text, width) {
		if n > 0 {
			text.WriteString(strings.Repeat(" ", before(shown, widths)))
		}
		text.WriteString(s.Paint(row[last].Style, line) + "\n")
	}
}
