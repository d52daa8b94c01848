package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// sealMemory keeps this process's memory, where keys and secrets lie, out of
// core dumps and away from other processes of the same user. The processes that
// it starts are not affected, except by the soft limit of core files.
//
// A crash ends by SIGABRT, so that systemd starts the service again. Go's own
// exit code for it is 2, which here means a wrong configuration.
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
