package sandbox

import (
	"maps"
	"strconv"
)

// params are the parameters of one request, from its query and its body together.
type params map[string]string

func (p params) clone() params { return maps.Clone(p) }

// require refuses when one of the named parameters is absent or empty.
func (p params) require(names ...string) error {
	for _, name := range names {
		if p[name] == "" {
			return missingParameter(name)
		}
	}
	return nil
}

// integer is a whole number from low to high, or fallback when it is absent.
func (p params) integer(name string, fallback, low, high int) (int, error) {
	if p[name] == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(p[name])
	if err != nil || n < low || n > high {
		return 0, invalidParameter(name)
	}
	return n, nil
}

// either is the value of the first of some names that is given.
func (p params) either(names ...string) string {
	for _, name := range names {
		if p[name] != "" {
			return p[name]
		}
	}
	return ""
}

// list is a flattened array: the values of NAME.1, NAME.2 and so on.
func (p params) list(name string) []string {
	var values []string
	for n := 1; ; n++ {
		value, ok := p[name+"."+strconv.Itoa(n)]
		if !ok {
			return values
		}
		values = append(values, value)
	}
}

// page cuts the rows from start on, size of them at most.
func page[T any](rows []T, start, size int) []T {
	start = min(start, len(rows))
	return rows[start:min(start+size, len(rows))]
}
