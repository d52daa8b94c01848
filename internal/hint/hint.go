// Package hint carries advice for the operator beside an error: the error says
// what failed, the hint what to do about it. It formats and prints nothing.
package hint

import (
	"errors"
	"syscall"
)

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

// Of returns the outermost hint in err's chain, or else what is always to be
// done about such a system error, or "". An error type of another package takes
// part by having the method OperatorHint() string.
func Of(err error) string {
	var h interface{ OperatorHint() string }
	if errors.As(err, &h) && h.OperatorHint() != "" {
		return h.OperatorHint()
	}
	for _, row := range system {
		if errors.Is(err, row.errno) {
			return row.hint
		}
	}
	return ""
}

var system = []struct {
	errno syscall.Errno
	hint  string
}{
	{syscall.ENOSPC, "make room on that disk (df, df -i); nothing is lost, and the next call goes on"},
	{syscall.EDQUOT, "raise the quota; nothing is lost, and the next call goes on"},
	{syscall.EROFS, "mount that file system writable; nothing is lost, and the next call goes on"},
	{syscall.EACCES, "give this user the right, or run as the owner of the files"},
	{syscall.EIO, "the disk reports an error: see the kernel's log"},
}
