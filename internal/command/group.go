package command

import (
	"errors"
	"syscall"
	"time"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// endGroup sends TERM to a process group, and KILL to what is left of it after
// grace. A process that left the group by setsid is not found.
func endGroup(group int, grace time.Duration) error {
	if gone(syscall.Kill(-group, syscall.SIGTERM)) {
		return nil
	}
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); time.Sleep(pollInterval) {
		if gone(syscall.Kill(-group, 0)) {
			return nil
		}
	}
	if err := syscall.Kill(-group, syscall.SIGKILL); !gone(err) {
		return err
	}
	return nil
}

func gone(err error) bool { return errors.Is(err, syscall.ESRCH) }
