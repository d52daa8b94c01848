package config

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"

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
		where += ": " + fmt.Sprintf("%.200s", e.Key)
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
	headerLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*(\[{1,2})\s*([^\]\[]+?)\s*\]{1,2}\s*(?:#.*)?$`) })
	keyLine    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*([A-Za-z0-9_."'-]+)\s*=`) })
	indices    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[\d+\]`) })
)

// places finds the line of each key. The decoder knows lines only of what it
// cannot decode, and not which element of an array of tables it was in.
func places(text string) []place {
	var found []place
	arrays := map[string]int{} // the index of the last element, by indexed key
	table := ""
	for i, line := range strings.Split(text, "\n") {
		if m := headerLine().FindStringSubmatch(line); m != nil {
			table = tableKey(arrays, unquote(m[2]), m[1] == "[[")
			found = append(found, place{table, i + 1})
		} else if m := keyLine().FindStringSubmatch(line); m != nil {
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
	if err := unreadable(text); err != nil {
		return toml.MetaData{}, err
	}
	var wrong mistakes
	for before := *doc; ; *doc = before {
		metadata, err := decodeTOML(text, doc)
		if err == nil {
			wrong.add(undecoded(text, metadata, doc))
			return metadata, wrong.err()
		}
		e := decodingError(text, err)
		wrong.add(e)
		if len(wrong) == mostMistakes || len(text) > longText || !standsAlone(lineAt(text, e.Line)) {
			return metadata, wrong.err()
		}
		text = without(text, e.Line) // what is wrong besides
	}
}

// longText takes its time to be decoded: once is enough.
const longText = 1 << 20

// standsAlone says that a line is a key and its value, and no other line continues it.
func standsAlone(line string) bool {
	m := assignment().FindStringSubmatch(line)
	return m != nil && strings.Contains(m[2], "[") == strings.Contains(m[2], "]") &&
		!strings.Contains(m[2], `"""`) && !strings.Contains(m[2], "'''") && !strings.Contains(m[2], "{")
}

// without is text with an empty line in place of one.
func without(text string, line int) string {
	lines := strings.Split(text, "\n")
	lines[line-1] = ""
	return strings.Join(lines, "\n")
}

// undecoded is the error about what no key of ours has taken.
func undecoded(text string, metadata toml.MetaData, doc *document) error {
	if key := passedOver(metadata, doc); key != "" {
		return unlike(text, firstPlace(text, toml.Key{key}))
	}
	unknown := map[string]bool{}
	for _, key := range metadata.Undecoded() {
		unknown[key.String()] = true
	}
	if len(unknown) == 0 {
		return nil
	}
	var wrong mistakes
	for _, p := range places(text) {
		plain := indices().ReplaceAllString(p.key, "")
		parent, _, _ := cutLast(plain)
		if unknown[plain] && !unknown[parent] {
			wrong.add(unknownAt(text, p))
		}
	}
	if len(wrong) == 0 { // it stands in a way that places does not know
		wrong.add(&Error{Key: metadata.Undecoded()[0].String(), Err: errors.New("unknown key")})
	}
	return wrong.err()
}

func unknownAt(text string, p place) *Error {
	if strings.HasPrefix(lineAt(text, p.line), "[") {
		return &Error{Line: p.line, Key: p.key, Err: errors.New("unknown table"), Hint: meantTable(p.key)}
	}
	return &Error{Line: p.line, Key: p.key, Err: errors.New("unknown key"), Hint: meant(p.key)}
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
		if indices().ReplaceAllString(p.key, "") == key.String() {
			return p
		}
	}
	return place{key: key.String()}
}

// wrongType takes apart what the decoder says of a value of the wrong type,
// for which it has no error type.
var wrongType = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^toml: (?:line \d+ )?\(last key "([^"]*)"\): (.*)$`) })

func decodingError(text string, err error) *Error {
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return malformed(text, syntax)
	}
	m := wrongType().FindStringSubmatch(err.Error())
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
		if indices().ReplaceAllString(p.key, "") == key {
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
