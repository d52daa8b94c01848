package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// halfHeader is a line that begins a table, with a bracket too few.
var halfHeader = regexp.MustCompile(`^\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]{0,2}$`)

// malformed is the error about text that is no TOML: in the decoder's words, with
// what to write where that can be told.
func malformed(text string, syntax toml.ParseError) *Error {
	key := syntax.LastKey
	for _, p := range places(text) {
		if p.line <= syntax.Position.Line && indices.ReplaceAllString(p.key, "") == syntax.LastKey {
			key = p.key
		}
	}
	e := &Error{Line: syntax.Position.Line, Key: key, Err: errors.New(syntax.Message)}
	if strings.HasPrefix(syntax.Message, "expected end of table") && halfHeader.MatchString(lineAt(text, e.Line-1)) {
		e.Line--
	}
	line := lineAt(text, e.Line)
	if m := assignment.FindStringSubmatch(line); isSecret(key) || m != nil && isSecret(m[1]) {
		e.Err = errors.New("what stands here, or before it, is no text in quotes") // the decoder repeats it
	}
	switch m := halfHeader.FindStringSubmatch(line); {
	case m != nil && line != header(m[1]) && typeOf(m[1]) != nil:
		e.Hint = "write " + header(m[1])
	case m != nil:
		e.Hint = definedBefore(text, e.Line, m[1])
	case strings.HasSuffix(syntax.Message, "has already been defined."):
		e.Hint = definedBefore(text, e.Line, e.Key)
	default:
		if m := assignment.FindStringSubmatch(line); m != nil {
			e.Hint = instead(typeOf(siblingOf(text, e.Line, m[1])), line)
		}
	}
	return e
}

// siblingOf is the path of a key at a line, by the table that it stands in.
func siblingOf(text string, line int, name string) string {
	table := ""
	for _, p := range places(text) {
		if p.line < line && strings.HasPrefix(lineAt(text, p.line), "[") {
			table = p.key
		}
	}
	return join(table, name)
}

func definedBefore(text string, line int, key string) string {
	for _, p := range places(text) {
		if p.key == key && p.line < line {
			return fmt.Sprintf("it stands in line %d already: remove one of them", p.line)
		}
	}
	return ""
}
