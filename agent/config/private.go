package config

import (
	"errors"
	"io/fs"

	"dvagent/internal/openat"
)

// maxBytes is how long a file of the configuration may be.
const maxBytes = 16 << 20

// checkPrivate refuses a file that others can read, or that others than root and
// this process's user could replace. The group may read. The error does not name
// the file.
func checkPrivate(path string) error {
	_, err := openat.ReadPrivate(path, maxBytes)
	return describe(err)
}

// describe leaves out the system call, which tells an operator nothing, and the
// path, which the caller names.
func describe(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
