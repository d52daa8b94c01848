package deploy

import "errors"

// failure is an error with a cause, which Result describes.
type failure struct {
	error
	cause string
}

func (f failure) Unwrap() error { return f.error }

// Cause is the same for two failures that are news only once.
func (f failure) Cause() string { return f.cause }

// causeOf is the cause of err, or its text if it has none.
func causeOf(err error) string {
	var f interface{ Cause() string }
	if errors.As(err, &f) {
		return f.Cause()
	}
	return err.Error()
}
