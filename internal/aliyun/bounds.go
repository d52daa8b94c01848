package aliyun

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// No real answer comes near these.
const (
	mostValues = 100_000   // of an answer, names of fields included
	mostText   = 64 << 10  // bytes; a chain has some ten thousand
	mostWord   = 1 << 10   // bytes of what is remembered in journals
	mostOfList = 128 << 20 // bytes of all pages
)

var (
	errTooMany = errors.New("the answer has more values than any real one")
	errTooDeep = errors.New("the answer is nested deeper than any real one")
)

// words are the fields that are remembered, in lower case.
var words = map[string]bool{"requestid": true, "instanceid": true, "recordid": true, "certidentifier": true, "productcode": true,
	"status": true, "orderstatus": true, "certificatestatus": true, "taskstatus": true, "type": true, "pendingresult": true,
	"taskmessage": true, "certtype": true, "checktype": true, "checkname": true, "checkvalue": true, "recorddomain": true,
	"recordtype": true, "recordvalue": true, "rootdomain": true, "validationtype": true, "validationkey": true, "validationvalue": true}

// countJSON counts without keeping anything: decoded, two bytes may be a hundred.
// What is no JSON is for the decoder to say.
func countJSON(decoder *json.Decoder) error {
	depth := 0
	for range mostValues {
		token, err := decoder.Token()
		if err != nil {
			return nil
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return errTooDeep
		}
	}
	return errTooMany
}

// bounded says which text of an answer is longer than any real one.
func (o object) bounded() error {
	for name, value := range o {
		most := mostText
		if words[strings.ToLower(name)] {
			most = mostWord
		}
		if longest(value) > most {
			return fmt.Errorf("the answer's %s is longer than any real one", plain(name))
		}
		for _, inner := range inside(value) {
			if err := inner.bounded(); err != nil {
				return err
			}
		}
	}
	return nil
}

// longest is the length of a value's longest text, but for those of objects in it.
func longest(value any) int {
	list, isList := value.([]any)
	if !isList {
		return len(asText(value))
	}
	most := 0
	for _, one := range list {
		most = max(most, longest(one))
	}
	return most
}

// inside are the objects in a value.
func inside(value any) []object {
	list, isList := value.([]any)
	if !isList {
		return []object{asObject(value)}
	}
	var all []object
	for _, one := range list {
		all = append(all, inside(one)...)
	}
	return all
}

// size is roughly the memory of an answer, in bytes.
func (o object) size() int {
	size := 0
	for name, value := range o {
		size += len(name) + sizeOf(value)
	}
	return size
}

func sizeOf(value any) int {
	const header = 32
	size := header + len(asText(value)) + asObject(value).size()
	if list, isList := value.([]any); isList {
		for _, one := range list {
			size += sizeOf(one)
		}
	}
	return size
}
