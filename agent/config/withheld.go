package config

import (
	"regexp"
	"sync"
	"unicode/utf8"
)

// keyText is a private key, or the identity of a fleet, as somebody writes it where
// the path of its file is wanted. In quotes, its lines end in \n.
var keyText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?is)-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*-----|$)|AGE-SECRET-KEY-[0-9A-Z-]+`)
})

// mostShown is how many bytes of an error are shown, and of its hint.
const mostShown = 1 << 10

// withhold keeps to itself what nobody should read of a value that the error repeats.
func (e *Error) withhold() {
	if text := e.Err.Error(); withheld(text) != text {
		e.Err = rephrased{withheld(text), e.Err}
	}
	e.Hint = withheld(e.Hint)
}

func withheld(text string) string {
	text = keyText().ReplaceAllString(text, "***")
	if len(text) <= mostShown {
		return text
	}
	end := mostShown
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// rephrased is an error with another text.
type rephrased struct {
	text string
	err  error
}

func (r rephrased) Error() string { return r.text }
func (r rephrased) Unwrap() error { return r.err }
