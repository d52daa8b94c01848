package state

import "errors"

// misuse is implemented by errors about how a command was used: it tried nothing, and
// will not succeed as long as it is used so.
type misuse interface {
	error
	Misuse()
}

type misuseError struct{ error }

func (e misuseError) Unwrap() error { return e.error }

// Misuse is for IsMisuse.
func (misuseError) Misuse() {}

// Misuse makes an error one about how a command was used.
func Misuse(err error) error { return misuseError{err} }

// IsMisuse says that an error is about how a command was used.
func IsMisuse(err error) bool {
	var m misuse
	return errors.As(err, &m)
}
