package config

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
)

// Error says in one line what is wrong in the configuration, and where.
type Error struct {
	File string
	Line int    // 0 when no line is to blame
	Key  string // such as certificate[0].domains; may be empty
	Err  error
	Hint string // what to do; may be empty
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Key != "" {
		where += ": " + e.Key
	}
	return where + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// OperatorHint is Hint, for package hint.
func (e *Error) OperatorHint() string { return e.Hint }

// place is where a key or a table header stands.
type place struct {
	key  string // with the indices of arrays of tables: certificate[1].name
	line int    // from 1
}

var (
	headerLine = regexp.MustCompile(`^\s*(\[{1,2})\s*([^\]\[]+?)\s*\]{1,2}\s*(?:#.*)?$`)
	keyLine    = regexp.MustCompile(`^\s*([A-Za-z0-9_."'-]+)\s*=`)
	indices    = regexp.MustCompile(`\[\d+\]`)
)

// places finds the line of each key. The decoder knows lines only of what it
// cannot decode, and not which element of an array of tables it was in.
func places(text string) []place {
	var found []place
	arrays := map[string]int{} // the index of the last element, by indexed key
	table := ""
	for i, line := range strings.Split(text, "\n") {
		if m := headerLine.FindStringSubmatch(line); m != nil {
			table = tableKey(arrays, unquote(m[2]), m[1] == "[[")
			found = append(found, place{table, i + 1})
		} else if m := keyLine.FindStringSubmatch(line); m != nil {
			found = append(found, place{join(table, unquote(m[1])), i + 1})
		}
	}
	return found
}

func tableKey(arrays map[string]int, name string, array bool) string {
	key := ""
	segments := strings.Split(name, ".")
	for i, segment := range segments {
		key = join(key, strings.TrimSpace(segment))
		n, known := arrays[key]
		if array && i == len(segments)-1 {
			if known {
				n++
			}
			arrays[key], known = n, true
		}
		if known {
			key = fmt.Sprintf("%s[%d]", key, n)
		}
	}
	return key
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

func unquote(key string) string { return strings.NewReplacer(`"`, "", "'", "").Replace(key) }

// lineOf returns the line of a key, or of the innermost table around it.
func lineOf(found []place, key string) int {
	for ; key != ""; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
		for _, p := range found {
			if p.key == key {
				return p.line
			}
		}
	}
	return 0
}

// decode reads text into doc. Its errors are *Error without File.
func decode(text string, doc *document) (toml.MetaData, error) {
	if metadata, done := decodeParts(text, doc); done {
		return metadata, nil
	}
	metadata, err := decodeTOML(text, doc)
	if err != nil {
		return metadata, decodingError(text, err)
	}
	if key := passedOver(metadata, doc); key != "" {
		return metadata, unlike(text, firstPlace(text, toml.Key{key}))
	}
	unknown := metadata.Undecoded()
	if len(unknown) == 0 {
		return metadata, nil
	}
	first := firstPlace(text, unknown[0])
	return metadata, &Error{Line: first.line, Key: first.key, Err: errors.New("unknown key"), Hint: meant(first.key)}
}

// passedOver is the key of what should be tables and is not, which the decoder does
// not say; or "".
func passedOver(metadata toml.MetaData, doc *document) string {
	for key, of := range map[string]int{"account": len(doc.Account), "contact": len(doc.Contact)} {
		if metadata.IsDefined(key) && of == 0 && metadata.Type(key) != "Hash" {
			return key
		}
	}
	return ""
}

// firstPlace is where a key stands for the first time, whichever element of an
// array of tables it is in.
func firstPlace(text string, key toml.Key) place {
	for _, p := range places(text) {
		if indices.ReplaceAllString(p.key, "") == key.String() {
			return p
		}
	}
	return place{key: key.String()}
}

// wrongType takes apart what the decoder says of a value of the wrong type,
// for which it has no error type.
var wrongType = regexp.MustCompile(`^toml: (?:line \d+ )?\(last key "([^"]*)"\): (.*)$`)

func decodingError(text string, err error) error {
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return malformed(text, syntax)
	}
	m := wrongType.FindStringSubmatch(err.Error())
	if m == nil {
		return &Error{Err: err}
	}
	p := culprit(text, m[1])
	if e := unlike(text, p); e != nil {
		return e
	}
	return &Error{Line: p.line, Key: p.key, Err: errors.New(m[2])}
}

// culprit finds which of the elements of an array of tables holds the value of
// a wrong type: the last one in the shortest beginning of the file that does
// not decode.
func culprit(text, key string) place {
	var candidates []place
	for _, p := range places(text) {
		if indices.ReplaceAllString(p.key, "") == key {
			candidates = append(candidates, p)
		}
	}
	if len(candidates) == 0 {
		return place{key: key}
	}
	lines := strings.SplitAfter(text, "\n")
	n := sort.Search(len(candidates)-1, func(i int) bool {
		beginning := strings.Join(lines[:candidates[i+1].line-1], "")
		_, err := decodeTOML(beginning, new(document))
		return err != nil
	})
	return candidates[n]
}
