package sandbox

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
)

// object is the body of an answer, or a part of it: field names with strings,
// numbers, booleans, objects, or slices of them.
type object map[string]any

func (o object) json() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(o)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// xml writes the object under a root element; a slice repeats its element,
// without one around it.
func (o object) xml(root string) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n")
	writeElement(&b, root, o)
	return b.Bytes()
}

func writeElement(b *bytes.Buffer, name string, value any) {
	switch v := value.(type) {
	case []object:
		for _, item := range v {
			writeElement(b, name, item)
		}
	case []string:
		for _, item := range v {
			writeElement(b, name, item)
		}
	case []int64:
		for _, item := range v {
			writeElement(b, name, item)
		}
	case nil:
		fmt.Fprintf(b, "<%s/>", name)
	case object:
		fmt.Fprintf(b, "<%s>", name)
		for _, field := range slices.Sorted(maps.Keys(v)) {
			writeElement(b, field, v[field])
		}
		fmt.Fprintf(b, "</%s>", name)
	default:
		fmt.Fprintf(b, "<%s>", name)
		_ = xml.EscapeText(b, fmt.Append(nil, v))
		fmt.Fprintf(b, "</%s>", name)
	}
}
