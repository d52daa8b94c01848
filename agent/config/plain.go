package config

import (
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"
)

// plainTables decodes tables of certificates that are written as nearly all are: known
// keys, each once, with strings without escapes, lists of these, true and false. It
// answers false for anything else, which the decoder of TOML then reads, and says what
// is wrong with it. It is ten times as fast, and makes no tree of the text.
func plainTables(text string) (tables []certificateTable, plain bool) {
	if !utf8.ValidString(text) || strings.IndexFunc(text, isControl) >= 0 {
		return nil, false
	}
	s := scanner{rest: text}
	for s.skip(); s.rest != ""; s.skip() {
		var into reflect.Value
		var keys map[string]int
		switch {
		case s.take("[[certificate]]"):
			tables = append(tables, certificateTable{})
			into, keys = reflect.ValueOf(&tables[len(tables)-1]).Elem(), plainKeys().certificate
		case s.take("[[certificate.deploy]]") && len(tables) > 0:
			last := &tables[len(tables)-1]
			last.Deploy = append(last.Deploy, deployTable{})
			into, keys = reflect.ValueOf(&last.Deploy[len(last.Deploy)-1]).Elem(), plainKeys().deploy
		default:
			return nil, false
		}
		if !s.endsLine() || !s.table(into, keys) {
			return nil, false
		}
	}
	return tables, true
}

// isControl says that a character may stand nowhere in a text, or that a line ends
// with it in a way that is left to the decoder.
func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }

// plainKeys are the places of the fields of both tables, by their keys.
var plainKeys = sync.OnceValue(func() (keys struct{ certificate, deploy map[string]int }) {
	keys.certificate, keys.deploy = fieldsOf[certificateTable](), fieldsOf[deployTable]()
	return keys
})

func fieldsOf[T any]() map[string]int {
	fields := map[string]int{}
	of := reflect.TypeFor[T]()
	for i := range of.NumField() {
		fields[of.Field(i).Tag.Get("toml")] = i
	}
	return fields
}

// scanner takes off the front of a text what it understands.
type scanner struct{ rest string }

func (s *scanner) take(what string) bool {
	rest, found := strings.CutPrefix(s.rest, what)
	s.rest = rest
	return found
}

func (s *scanner) blanks() { s.rest = strings.TrimLeft(s.rest, " \t") }

// skip skips blanks, ends of lines and comments.
func (s *scanner) skip() {
	for {
		s.rest = strings.TrimLeft(s.rest, " \t\n")
		if !strings.HasPrefix(s.rest, "#") {
			return
		}
		_, s.rest, _ = strings.Cut(s.rest, "\n")
	}
}

// endsLine says that nothing but a comment stands on the rest of the line.
func (s *scanner) endsLine() bool {
	s.blanks()
	return s.rest == "" || s.rest[0] == '\n' || s.rest[0] == '#'
}

// table reads keys and values up to the next header.
func (s *scanner) table(into reflect.Value, fields map[string]int) bool {
	var known uint64 // the fields that were set
	for s.skip(); s.rest != "" && s.rest[0] != '['; s.skip() {
		end := strings.IndexAny(s.rest, " \t=")
		if end < 0 {
			return false
		}
		field, found := fields[s.rest[:end]]
		if !found || known&(1<<field) != 0 {
			return false
		}
		known |= 1 << field
		s.rest = s.rest[end:]
		s.blanks()
		if !s.take("=") {
			return false
		}
		s.blanks()
		if !s.value(into.Field(field)) || !s.endsLine() {
			return false
		}
	}
	return true
}

func (s *scanner) value(into reflect.Value) bool {
	switch into.Kind() {
	case reflect.String:
		text, ok := s.text()
		into.SetString(text)
		return ok
	case reflect.Bool:
		is := s.take("true")
		into.SetBool(is)
		return is || s.take("false")
	}
	list, isList := into.Addr().Interface().(*[]string)
	if !isList || !s.take("[") {
		return false
	}
	*list = []string{}
	for s.skip(); !s.take("]"); s.skip() {
		text, ok := s.text()
		if !ok {
			return false
		}
		*list = append(*list, text)
		s.skip()
		if !s.take(",") && !strings.HasPrefix(s.rest, "]") {
			return false
		}
	}
	return true
}

// text reads a string on one line, without escapes.
func (s *scanner) text() (string, bool) {
	if !s.take(`"`) {
		return "", false
	}
	end := strings.IndexAny(s.rest, "\"\\\n")
	if end < 0 || s.rest[end] != '"' {
		return "", false
	}
	text := s.rest[:end]
	s.rest = s.rest[end+1:]
	return text, true
}
