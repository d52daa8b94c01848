package aliyun

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// object is an answer, or a part of one, whether it came as JSON or as XML:
// values are object, []any, string, json.Number, bool or nil. Names are
// looked up as documented, and else without regard to case.
type object map[string]any

const maxDepth = 32 // of an answer

var utf8BOM = []byte("\xef\xbb\xbf")

// decode reads a whole body, JSON or XML by its first character.
func decode(body []byte) (object, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, utf8BOM))
	if len(body) == 0 {
		return nil, errors.New("the answer is empty")
	}
	if body[0] == '<' {
		return decodeXML(body)
	}
	if err := countJSON(json.NewDecoder(bytes.NewReader(body))); err != nil {
		return nil, err
	}
	var answer object
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&answer) != nil || answer == nil {
		return nil, errors.New("the answer is not a JSON object")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("the answer goes on after its JSON object")
	}
	return answer, nil
}

// decodeXML does not look at the root's name, which documents spell in two ways.
func decodeXML(body []byte) (object, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, errors.New("the answer is not XML")
		}
		root, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		left := mostValues
		value, err := element(decoder, maxDepth, &left)
		answer, isObject := value.(object)
		if err != nil || !isObject || strings.EqualFold(root.Name.Local, "html") {
			return nil, errors.New("the answer is not XML of the API")
		}
		return answer, nil
	}
}

// element reads up to the end tag: an object when there are elements inside,
// one that comes twice being a list, else the text. left is how many there may be.
func element(decoder *xml.Decoder, depth int, left *int) (any, error) {
	if *left--; depth == 0 || *left < 0 {
		return nil, errTooMany
	}
	var text strings.Builder
	var inside object
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.EndElement:
			if inside != nil {
				return inside, nil
			}
			return strings.TrimSpace(text.String()), nil
		case xml.StartElement:
			value, err := element(decoder, depth-1, left)
			if err != nil {
				return nil, err
			}
			if inside == nil {
				inside = object{}
			}
			inside.add(token.Name.Local, value)
		}
	}
}

func (o object) add(name string, value any) {
	switch before := o[name].(type) {
	case nil:
		o[name] = value
	case []any:
		o[name] = append(before, value)
	default:
		o[name] = []any{before, value}
	}
}

func (o object) value(name string) any {
	if value, ok := o[name]; ok {
		return value
	}
	for other, value := range o {
		if strings.EqualFold(other, name) {
			return value
		}
	}
	return nil
}

// hasAny says that a named field is there, were it empty; null is not there.
func (o object) hasAny(names []string) bool {
	for _, name := range names {
		if o.value(name) != nil {
			return true
		}
	}
	return len(names) == 0
}

func (o object) text(name string) string { return asText(o.value(name)) }

func asText(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// number is 0 when there is none.
func (o object) number(name string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(o.text(name)), 10, 64)
	return n
}

// time is zero when there is none. The API counts in seconds or milliseconds,
// and the documents leave open which: a count of seconds has ten digits, for now
// and the next centuries.
func (o object) time(name string) time.Time {
	switch n := o.number(name); {
	case n <= 0:
		return time.Time{}
	case n < 1e12:
		return time.Unix(n, 0).UTC()
	default:
		return time.UnixMilli(n).UTC()
	}
}

func (o object) yes(name string) bool {
	yes, _ := strconv.ParseBool(strings.TrimSpace(o.text(name)))
	return yes
}

// inner is the object of that name, or an empty one.
func (o object) inner(name string) object { return asObject(o.value(name)) }

// list is the array of that name; an element that stands alone, as in XML, is
// an array of one.
func (o object) list(name string) []any {
	switch value := o.value(name).(type) {
	case nil:
		return nil
	case []any:
		return value
	case string:
		if value == "" {
			return nil
		}
		return []any{value}
	default:
		return []any{value}
	}
}

// texts is the list's texts; one that is a list of its own, with commas or
// blanks, is taken apart.
func (o object) texts(name string) []string {
	var texts []string
	for _, value := range o.list(name) {
		texts = append(texts, strings.FieldsFunc(asText(value), func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return texts
}

// numbers is the list's numbers.
func (o object) numbers(name string) []int64 {
	var numbers []int64
	for _, text := range o.texts(name) {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// rows is the list's objects.
func (o object) rows(name string) []object {
	var rows []object
	for _, value := range o.list(name) {
		if row := asObject(value); len(row) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

func asObject(value any) object {
	switch value := value.(type) {
	case object:
		return value
	case map[string]any:
		return value
	}
	return nil
}
