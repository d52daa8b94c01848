package message

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// Each entry of zh.toml is an English text and its translation. Both have the
// same verbs of package fmt, which are holes: in order, or with numbers as in %[2]s.
// What stands in a hole is translated, too, but where the translation has %v:
// names, keys and commands stay as they are typed.
//
//go:embed zh.toml
var zh string

// catalogue translates texts that were made from its entries.
type catalogue struct {
	exact   map[string]string
	entries []entry // with holes, those with the most letters first

	mu    sync.Mutex
	known map[string]string // what was translated before
}

// entry is a text with holes.
type entry struct {
	english *regexp.Regexp
	longest string // the longest part of the English text that is no hole
	letters int    // that are in no hole
	chinese string
	suffix  bool // it begins with a comma or a semicolon, and stands behind another text
	turned  bool // it begins with a hole, and its translation does not
}

const (
	// deepest bounds how many texts lie within one another.
	deepest = 8
	// remembered bounds how many translations are kept: a page of thousands of
	// certificates says the same of most.
	remembered = 4096
	// enough letters tell that a text was made from an entry: what has fewer, such as
	// "%s of %s", is looked for in single sentences alone.
	enough = 5
	// longestText bounds the texts that are looked at: what is longer is output
	// of a program, and not ours.
	longestText = 4096
)

var chinese = sync.OnceValue(func() *catalogue {
	c, err := parse(zh)
	if err != nil {
		panic(err) // the file is compiled in, and a test reads it
	}
	return c
})

func parse(text string) (*catalogue, error) {
	c := &catalogue{known: map[string]string{}}
	if _, err := toml.Decode(text, &c.exact); err != nil {
		return nil, fmt.Errorf("decode the catalogue: %w", err)
	}
	for english, chinese := range c.exact {
		if len(verbs(english)) > 0 {
			c.entries = append(c.entries, newEntry(english, chinese))
		}
	}
	slices.SortFunc(c.entries, func(a, b entry) int {
		if a.letters != b.letters {
			return b.letters - a.letters
		}
		return strings.Compare(a.english.String(), b.english.String())
	})
	return c, nil
}

var verb = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%(?:%|(?:\[\d+\])?[-+ #0]*[\d.]*[a-zA-Z])`) })

// verbs are where the holes of a format stand; "%%" is none.
func verbs(format string) [][]int {
	return slices.DeleteFunc(verb().FindAllStringIndex(format, -1), func(at []int) bool { return format[at[0]:at[1]] == "%%" })
}

func newEntry(english, chinese string) entry {
	e := entry{chinese: chinese, suffix: strings.HasPrefix(english, ", ") || strings.HasPrefix(english, "; ")}
	e.turned = beginsWithHole(english) && !beginsWithHole(chinese)
	var pattern strings.Builder
	pattern.WriteString(`(?s)^`)
	if e.suffix {
		pattern.WriteString(`(.*?)`)
	}
	part := func(text string) {
		text = strings.ReplaceAll(text, "%%", "%")
		pattern.WriteString(regexp.QuoteMeta(text))
		e.letters += len(text)
		if len(text) > len(e.longest) {
			e.longest = text
		}
	}
	end := 0
	for _, hole := range verbs(english) {
		part(english[end:hole[0]])
		pattern.WriteString(patternOf(english[hole[0]:hole[1]]))
		end = hole[1]
	}
	part(english[end:])
	pattern.WriteString(`$`)
	e.english = regexp.MustCompile(pattern.String())
	return e
}

func beginsWithHole(format string) bool {
	holes := verbs(format)
	return len(holes) > 0 && holes[0][0] == 0
}

// patternOf matches what fmt makes of a verb.
func patternOf(verb string) string {
	switch verb[len(verb)-1] {
	case 'd':
		return `(-?\d+)`
	case 'q':
		return `("(?:[^"\\]|\\.)*")`
	case 'f', 'x', 'o':
		return `(-?[\da-f.]+)`
	}
	return `(.+?)`
}

// text looks for the entry of the whole text, and then for entries of its parts.
func (c *catalogue) text(english string, depth int) string {
	if depth == 0 || len(english) > longestText {
		return english
	}
	if chinese, found := c.exact[english]; found {
		return chinese
	}
	c.mu.Lock()
	chinese, found := c.known[english]
	c.mu.Unlock()
	if found {
		return chinese
	}
	chinese = c.find(english, depth)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= remembered {
		clear(c.known)
	}
	c.known[english] = chinese
	return chinese
}

// located is a text about a place in a file, whose name and key are not translated.
var located = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(/[^ ]*:\d+(?:: [^ :]+)?): (.*)$`) })

// addressed is a text about a server or a file, whose name and address are not translated.
var addressed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^((?:[^ ]+ \()?[^ ()]+:\d+\)?|/[^ ]*[^ :]) (.*)$`)
})

// said translates what a server said, or the state of it or of a file.
func (c *catalogue) said(english string, depth int) (string, bool) {
	found := addressed().FindStringSubmatch(english)
	if found == nil {
		return "", false
	}
	said := c.text(found[2], depth-1)
	return found[1] + " " + said, said != found[2]
}

func (c *catalogue) find(english string, depth int) string {
	if found := located().FindStringSubmatch(english); found != nil {
		return found[1] + "：" + c.text(found[2], depth-1)
	}
	telling := slices.IndexFunc(c.entries, func(e entry) bool { return e.letters < enough })
	if telling < 0 {
		telling = len(c.entries)
	}
	for _, way := range []func() (string, bool){
		func() (string, bool) { return c.made(english, c.entries[:telling], depth) },
		func() (string, bool) { return c.parts(english, glues[0], depth) },
		func() (string, bool) { return c.said(english, depth) },
		func() (string, bool) { return c.caused(english, depth) },
		func() (string, bool) { return c.parts(english, glues[1], depth) },
		func() (string, bool) { return c.made(english, c.entries[telling:], depth) },
		func() (string, bool) { return c.parts(english, glues[2], depth) },
	} {
		if chinese, found := way(); found {
			return chinese
		}
	}
	return english
}

// made fills the first entry that the text was made from.
func (c *catalogue) made(english string, from []entry, depth int) (string, bool) {
	say := func(text string) string { return c.text(text, depth-1) }
	for _, e := range from {
		if !strings.Contains(english, e.longest) {
			continue
		}
		if found := e.english.FindStringSubmatch(english); found != nil && e.fits(found[1:], say) {
			return e.fill(found[1:], say), true
		}
	}
	return "", false
}

// sure is how many letters of an entry no other sentence has by chance.
const sure = 9

// moment is a time, which is one word although it has blanks.
var moment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? \S+$`)
})

// fits says that a text with that in its holes was made from the entry, and that no
// quotation is cut. Any sentence could be made from one of few letters: there the
// holes tell. What stands before a colon would come into the middle of a turned one.
func (e *entry) fits(found []string, say func(string) string) bool {
	if e.turned && strings.Contains(found[0], glues[1].english) {
		return false
	}
	words, known := true, false
	for _, text := range found {
		if strings.HasSuffix(text, ":") || strings.Count(text, `"`)%2 != strings.Count(text, `\"`)%2 {
			return false
		}
		words = words && (!strings.Contains(text, " ") || moment().MatchString(text))
		known = known || say(text) != text
	}
	return e.letters >= sure || words || known
}

// caused translates an error that begins with what is not in the catalogue, such as
// the name of a file, and ends with an entry that has colons of its own.
func (c *catalogue) caused(english string, depth int) (string, bool) {
	for at := range len(english) {
		rest, found := strings.CutPrefix(english[at:], glues[1].english)
		if !found || !strings.Contains(rest, glues[1].english) {
			continue
		}
		chinese, known := c.exact[rest]
		if !known {
			chinese, known = c.made(rest, c.entries, depth)
		}
		if known {
			return c.text(english[:at], depth-1) + glues[1].chinese + chinese, true
		}
	}
	return "", false
}

// parts translates what a glue joins, where the catalogue has some part of it.
func (c *catalogue) parts(english string, glue glue, depth int) (string, bool) {
	parts, some := strings.Split(english, glue.english), false
	if len(parts) == 1 {
		return "", false
	}
	for i, part := range parts {
		parts[i] = c.text(part, depth-1)
		some = some || parts[i] != part
	}
	return strings.Join(parts, glue.chinese), some
}

// fill puts what stood in the holes into the translation.
func (e *entry) fill(found []string, say func(string) string) string {
	before := ""
	if e.suffix {
		before, found = say(found[0]), found[1:]
	}
	args := make([]any, len(found))
	for i, asIs := range verbatim(e.chinese, len(found)) {
		args[i] = found[i]
		if !asIs {
			args[i] = say(found[i])
		}
	}
	return before + fill(allStrings(e.chinese), args)
}

// verbatim tells which of n arguments stay as they are.
func verbatim(chinese string, n int) []bool {
	asIs := make([]bool, n)
	for i, hole := range verbs(chinese) {
		verb := chinese[hole[0]:hole[1]]
		if number, _, numbered := strings.Cut(strings.TrimPrefix(verb, "%["), "]"); numbered {
			i, _ = strconv.Atoi(number)
			i--
		}
		if i < n && strings.HasSuffix(verb, "v") {
			asIs[i] = true
		}
	}
	return asIs
}

// fill is fmt.Sprintf, but that no space stands between two Chinese characters, and
// one between a Chinese and a Latin one: what comes into a hole may be either.
func fill(format string, args []any) string {
	text, end := "", 0
	for i, hole := range verbs(format) {
		verb := format[hole[0]:hole[1]]
		if !strings.Contains(verb, "[") {
			verb = fmt.Sprintf("%%[%d]%s", i+1, verb[1:])
		}
		text = joined(text, strings.ReplaceAll(format[end:hole[0]], "%%", "%"))
		text = joined(text, fmt.Sprintf(verb, args...))
		end = hole[1]
	}
	return joined(text, strings.ReplaceAll(format[end:], "%%", "%"))
}

func joined(left, right string) string {
	l, r := strings.TrimSuffix(left, " "), strings.TrimPrefix(right, " ")
	last, _ := utf8.DecodeLastRuneInString(l)
	first, _ := utf8.DecodeRuneInString(r)
	switch {
	case isChinese(last) && isChinese(first):
		return l + r
	case unicode.Is(unicode.Han, last) && isLatin(first) || isLatin(last) && unicode.Is(unicode.Han, first):
		return l + " " + r
	}
	return left + right
}

func isLatin(r rune) bool { return unicode.In(r, unicode.Latin, unicode.Nd) || r == '_' }

func isChinese(r rune) bool {
	return unicode.Is(unicode.Han, r) || strings.ContainsRune("，。：；、（）", r)
}

type glue struct{ english, chinese string }

// glues join sentences, and an error with its cause.
var glues = []glue{{"; ", "；"}, {": ", "："}, {", ", "，"}}

// allStrings makes each verb one for what fmt has made of it before.
func allStrings(format string) string {
	return verb().ReplaceAllStringFunc(format, func(verb string) string {
		if verb == "%%" {
			return verb
		}
		if i := strings.Index(verb, "]"); i >= 0 {
			return verb[:i+1] + "s"
		}
		return "%s"
	})
}
