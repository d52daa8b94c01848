package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dvagent/internal/hint"
)

// mostMistakes is how many are told at once.
const mostMistakes = 20

// Errors are several mistakes in a configuration, in the order of the files and
// their lines.
type Errors []*Error

func (e Errors) Error() string {
	var texts []string
	for _, one := range e {
		texts = append(texts, one.Error())
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns them, so that the first one stands for all where one is wanted.
func (e Errors) Unwrap() []error {
	var all []error
	for _, one := range e {
		all = append(all, one)
	}
	return all
}

// Each takes the errors of Load apart; another error is the only one.
func Each(err error) []error {
	var several Errors
	if errors.As(err, &several) {
		return several.Unwrap()
	}
	return []error{err}
}

// mistakes collects what is wrong, so that all of it can be told at once.
type mistakes []error

func (m *mistakes) add(err error) {
	if err != nil {
		*m = append(*m, err)
	}
}

// at adds an error about a key, if there is one.
func (m *mistakes) at(key string, err error) {
	if err != nil {
		m.add(at(key, err))
	}
}

// err is the only one, or all of them joined, or nil.
func (m mistakes) err() error {
	if len(m) == 1 {
		return m[0]
	}
	return errors.Join(m...)
}

// at names the key that err is about; of several errors each.
func at(key string, err error) error {
	var wrong mistakes
	for _, one := range apart(err) {
		wrong.add(&Error{Key: key, Err: one, Hint: hint.Of(one)})
	}
	return wrong.err()
}

// within is err, whose keys are those of a table, with the table before each key.
func within(table string, err error) error {
	var wrong mistakes
	for _, one := range apart(err) {
		located := &Error{Err: one}
		if errors.As(one, &located); located.Key == "" {
			located.Key = table
		} else {
			located.Key = table + "." + located.Key
		}
		wrong.add(located)
	}
	return wrong.err()
}

// apart takes joined errors apart.
func apart(err error) []error {
	joined, several := err.(interface{ Unwrap() []error })
	if !several {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, apart(one)...)
	}
	return all
}

// inOrder makes one error of the located ones: an *Error, or Errors.
func inOrder(err error) error {
	var all Errors
	for _, one := range apart(err) {
		var located *Error
		if errors.As(one, &located) {
			all = append(all, located)
		}
	}
	slices.SortStableFunc(all, func(a, b *Error) int {
		if a.File != b.File {
			return 0
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	all = slices.CompactFunc(all, func(a, b *Error) bool { return a.Error() == b.Error() })
	if rest := len(all) - mostMistakes; rest > 0 {
		all = append(all[:mostMistakes:mostMistakes], &Error{File: all[0].File, Err: fmt.Errorf("and %d more mistakes", rest)})
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}
