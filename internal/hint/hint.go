// Package hint carries advice for the operator beside an error: the error says
// what failed, the hint what to do about it. It formats and prints nothing.
package hint

import "errors"

type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func (h hinted) OperatorHint() string { return h.hint }

// Add returns err with advice for the operator; nil stays nil. The text of
// err does not change.
func Add(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return hinted{err, hint}
}

// Of returns the outermost hint in err's chain, or "". An error type of
// another package takes part by having the method OperatorHint() string.
func Of(err error) string {
	var h interface{ OperatorHint() string }
	if errors.As(err, &h) {
		return h.OperatorHint()
	}
	return ""
}
