package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// What is wrong with text that is no TOML, in words for who has never heard of it: the
// decoder says what it expected, and of what people write it knows nothing.

// halfHeader is a line that begins a table, with a bracket too few.
var halfHeader = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]{0,2}$`) })

// malformed is the error about text that is no TOML, with what to write where that
// can be told.
func malformed(text string, syntax toml.ParseError) *Error {
	key := syntax.LastKey
	for _, p := range places(text) {
		if p.line <= syntax.Position.Line && indices().ReplaceAllString(p.key, "") == syntax.LastKey {
			key = p.key
		}
	}
	e := &Error{Line: syntax.Position.Line, Key: key}
	if m := halfHeader().FindStringSubmatch(lineAt(text, e.Line-1)); m != nil && !complete(lineAt(text, e.Line-1)) {
		e.Line--
	}
	line := lineAt(text, e.Line)
	if open := openList(text, e.Line); open > 0 {
		e.Line, e.Err, e.Hint = open, errors.New("the list that begins here does not end"), "end it with ]"
		return e
	}
	if m := assignment().FindStringSubmatch(line); m != nil {
		e.Key = siblingOf(text, e.Line, m[1])
	}
	switch m := halfHeader().FindStringSubmatch(line); {
	case strings.HasSuffix(syntax.Message, "has already been defined."):
		if m != nil {
			e.Key = m[1]
		}
		e.Err, e.Hint = errors.New("stands twice"), definedBefore(text, e.Line, e.Key)
	case m != nil && typeOf(m[1]) != nil:
		e.Key, e.Err, e.Hint = "", errors.New("this is no whole header of a table"), "write "+header(m[1])
	case strings.HasPrefix(line, "["):
		e.Key, e.Err = "", errors.New("this is no header of a table: its name is made of a-z, 0-9, dots and hyphens")
	default:
		e.Hint, e.Err = e.badLine(line)
	}
	return e
}

// badLine says what is wrong with a line that is no header, and what to write. It
// repeats no secret.
func (e *Error) badLine(line string) (advice string, err error) {
	if sign := foreignSign(line); sign != "" {
		ascii := inASCII(line)
		if decodes(ascii) && !isSecret(e.Key) {
			advice = "write " + ascii
		}
		return advice, fmt.Errorf("the sign %q is not of TOML, whose quotes, commas, brackets and blanks are those of ASCII", sign)
	}
	m := assignment().FindStringSubmatch(line)
	name, value, assigned := strings.Cut(line, "=")
	switch t := typeOf(e.Key); {
	case assigned && strings.TrimSpace(value) == "" && strings.TrimSpace(name) != "":
		return "", errors.New("no value stands behind the equals sign")
	case m == nil || t == nil:
		return "", errors.New("this line is neither KEY = VALUE nor [TABLE] nor a comment after #")
	case !assigned:
		return instead(t, line), errors.New("no equals sign stands between the key and its value")
	case strings.HasPrefix(m[2], `"`) && strings.Contains(m[2], `\`) && !isSecret(e.Key):
		return "use single quotes, or two backslashes", errors.New("a backslash in double quotes begins an escape")
	default:
		return instead(t, line), fmt.Errorf("%s", wants(t))
	}
}

// complete says that a line is a header as it is to be.
func complete(line string) bool { return headerLine().MatchString(line) && decodes(line) }

func decodes(text string) bool {
	var any map[string]any
	_, err := toml.Decode(text, &any)
	return err == nil
}

// openList is the line of a list that begins before a line and ends nowhere before
// the next key, or 0.
func openList(text string, line int) int {
	open := 0
	for n := line - 1; n > 0 && n > line-50; n-- {
		before := lineAt(text, n)
		open += strings.Count(before, "[") - strings.Count(before, "]")
		if m := assignment().FindStringSubmatch(before); m != nil {
			if open > 0 && strings.HasPrefix(m[2], "[") {
				return n
			}
			return 0
		}
	}
	return 0
}

// ascii are the signs of TOML that Chinese and other keyboards have in another form.
var ascii = strings.NewReplacer("“", `"`, "”", `"`, "‘", "'", "’", "'", "„", `"`, "«", `"`, "»", `"`, "＂", `"`, "＝", "=", "，", ",", "、", ",",
	"［", "[", "］", "]", "【", "[", "】", "]", "｛", "{", "｝", "}", "：", "=", "；", "", "　", " ", "\u00a0", " ", "\u200b", "", "\ufeff", "", "＃", "#")

// inASCII is a line with its signs in ASCII. A single quote, which a key in
// double ones may hold, is made a double one where it was a typographic one.
func inASCII(line string) string {
	return ascii.Replace(strings.NewReplacer("‘", `"`, "’", `"`).Replace(line))
}

// foreignSign is the first sign of a line, outside of quotes of ASCII, that TOML has
// in another form; a blank by its number.
func foreignSign(line string) string {
	quote := rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
		case r == '#':
			return ""
		case r == '"' || r == '\'':
			quote = r
		case r >= 0x80 && ascii.Replace(string(r)) != string(r):
			if unicode.IsPunct(r) || unicode.IsSymbol(r) {
				return string(r)
			}
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

// unreadable is the error about bytes that are no text, whatever they were to say.
func unreadable(text string) error {
	for i, r := range text {
		var err error
		switch width := utf8.RuneLen(r); {
		case r == '\n':
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			err = errors.New("this is not UTF-8")
		case r == 0:
			err = errors.New("this is no text, or one in UTF-16")
		case r == '\r' && !strings.HasPrefix(text[i+width:], "\n"):
			err = errors.New("a line ends in CR alone")
		case r < ' ' && r != '\t' && r != '\r' || r == 0x7f:
			err = fmt.Errorf("the control character %s stands here", fmt.Sprintf("%U", r))
		}
		if err != nil {
			return &Error{Line: 1 + strings.Count(text[:i], "\n"), Err: err, Hint: "save the file as plain text in UTF-8"}
		}
	}
	return nil
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
