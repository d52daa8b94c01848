// Package spelling finds the word that somebody likely meant who wrote one that
// there is not. It knows letters alone, and no meaning.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest is the one of the words that differs least from the one that was
// written, case aside, or "" where none is near. A letter that was left out, put
// in, taken for another one or for its neighbour is one difference; a word of few
// letters bears few. A word that begins or ends like another one is near it too.
func Nearest(written string, words []string) string {
	type found struct {
		word string
		far  int
	}
	var near []found
	text := strings.ToLower(written)
	for _, word := range words {
		far := distance([]rune(text), []rune(strings.ToLower(word)))
		if far <= 1+len(text)/5 && far < len(word) || beginsOrEnds(text, strings.ToLower(word)) {
			near = append(near, found{word, far})
		}
	}
	if len(near) == 0 {
		return ""
	}
	return slices.MinFunc(near, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.word, b.word))
	}).word
}

// beginsOrEnds says that one of two words, of three letters or more, begins or
// ends the other one.
func beginsOrEnds(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= 3 && (strings.HasPrefix(b, a) || strings.HasSuffix(b, a))
}

// distance is how many letters have to be changed, by Damerau and Levenshtein
// (optimal string alignment).
func distance(a, b []rune) int {
	var before, last []int // the two rows above
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			substituted := last[j]
			if a[i] != b[j] {
				substituted++
			}
			row[j+1] = min(substituted, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
