package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Lock is the right to change the state directory. The file is never removed,
// so that two agents can not lock two files of one name.
type Lock struct {
	file *os.File
	path string
}

// ErrLost says that the lock was taken away together with its file, as when the
// state directory was removed: another agent may hold a new one.
var ErrLost = errors.New("the lock of the state directory was taken away")

// HeldError says that another agent has the lock.
type HeldError struct{ Holder string } // such as "pid 4711 (dvagent run)"

func (e *HeldError) Error() string { return "another agent holds the lock: " + e.Holder }

// Caller is who wants the lock.
type Caller struct {
	Who      string        // shown to those who wait for it
	LockWait time.Duration // how long the caller waits itself
}

// ServiceCaller is who the service is.
const ServiceCaller = "dvagent run"

// lockPause is the time between two tries.
const lockPause = 50 * time.Millisecond

// Lock takes the lock of the directory, which it makes where it is gone. It waits
// as long as the caller may, and then fails with *HeldError.
func (d Dir) Lock(ctx context.Context, c Caller) (*Lock, error) { return lock(ctx, d.LockFile(), c) }

// LockService is Lock for the right to be the service of the directory, which is
// held for as long as the service runs. Others do their work beside it.
func (d Dir) LockService(ctx context.Context, c Caller) (*Lock, error) {
	return lock(ctx, d.serviceLock(), c)
}

// service is who has the right to be the service; "" when nobody is seen to have it.
func (d Dir) service() string {
	file, err := os.OpenFile(d.serviceLock(), os.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return ""
	}
	return holder(file)
}

func lock(ctx context.Context, path string, c Caller) (*Lock, error) {
	deadline := Now().Add(c.LockWait)
	for {
		lock, err := tryLock(path, c.Who)
		if errors.Is(err, fs.ErrNotExist) {
			if err = Dir(filepath.Dir(path)).Prepare(); err == nil {
				lock, err = tryLock(path, c.Who)
			}
		}
		var held *HeldError
		if err == nil || !errors.As(err, &held) || Now().After(deadline) {
			return lock, err
		}
		if sleep(ctx, lockPause) != nil {
			return nil, held
		}
	}
}

// tryLock takes the lock at once or fails with *HeldError.
func tryLock(path, who string) (*Lock, error) {
	for range 3 {
		lock, err := tryFile(path)
		if err != nil {
			return nil, err
		}
		if lock.isAt(path) {
			lock.sign(who)
			return lock, nil
		}
		lock.file.Close() // replaced while we took it
	}
	return nil, fmt.Errorf("take lock: %s is replaced again and again", path)
}

func tryFile(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer file.Close()
		return nil, &HeldError{Holder: holder(file)}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("take lock %s: %w", path, err)
	}
	return &Lock{file, path}, nil
}

// Stands is ErrLost when the lock is none any more.
func (l *Lock) Stands() error {
	if !l.isAt(l.path) {
		return ErrLost
	}
	return nil
}

// While is a context that ends, with ErrLost as its cause, when the lock is none
// any more, which is looked at so often; and at the latest with stop.
func (l *Lock) While(ctx context.Context, every time.Duration) (while context.Context, stop func()) {
	while, cancel := context.WithCancelCause(ctx)
	go func() {
		for tick := time.NewTicker(every); ; {
			select {
			case <-while.Done():
				tick.Stop()
				return
			case <-tick.C:
				if err := l.Stands(); err != nil {
					cancel(err)
				}
			}
		}
	}()
	return while, func() { cancel(context.Canceled) }
}

// isAt says that the locked file still is the one at path.
func (l *Lock) isAt(path string) bool {
	ours, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(ours, there)
}

// sign tells those who come later who we are. The lock holds without it, as on
// a full disk.
func (l *Lock) sign(who string) {
	text := fmt.Appendf(nil, "pid %d (%s)\n", os.Getpid(), who)
	last := make([]byte, len(text)+1)
	n, _ := l.file.ReadAt(last, 0)
	if bytes.Equal(last[:n], text) {
		return
	}
	if _, err := l.file.WriteAt(text, 0); err == nil && n > len(text) {
		_ = l.file.Truncate(int64(len(text))) // only the first line counts
	}
}

func holder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 200))
	if err != nil || len(text) == 0 {
		return "an unknown process"
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.file.Close() }
