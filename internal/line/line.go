// Package line makes text of others fit to stand in one line of a terminal, a
// log or an environment variable. It translates nothing.
package line

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Of replaces what could break the line, move the cursor or turn the direction
// of the text by a space, and broken UTF-8 by a question mark.
func Of(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case ' ' <= r && r <= '~': // nearly all
			return r
		case r == utf8.RuneError:
			return '?'
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029':
			return ' '
		}
		return r
	}, text)
}

// Short is Of the beginning of text, of no more than most bytes and whole letters.
func Short(text string, most int) string {
	if len(text) <= most {
		return Of(text)
	}
	return Of(strings.ToValidUTF8(text[:most], ""))
}
