package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// sealMemory keeps this process's memory, where keys and secrets lie, out of
// core dumps and away from other processes of the same user. What it starts is
// not affected, but for the soft limit of core files.
//
// A crash, which with Go ends in the exit code 2 of a wrong configuration, ends
// by SIGABRT: systemd starts the service again.
func sealMemory() error {
	debug.SetTraceback("crash")
	var limit unix.Rlimit
	err := errors.Join(
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
		unix.Getrlimit(unix.RLIMIT_CORE, &limit))
	if err == nil {
		limit.Cur = 0
		err = unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	}
	if err != nil {
		return fmt.Errorf("keep core dumps from being written: %w", err)
	}
	return nil
}
