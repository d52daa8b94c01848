package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func take(t *testing.T, dir Dir, who string) (*Lock, error) {
	t.Helper()
	return dir.Lock(context.Background(), Caller{Who: who})
}

// fault 62
func TestASecondAgentIsToldWhoHoldsTheLock(t *testing.T) {
	dir := Dir(t.TempDir())
	lock, err := take(t, dir, "dvagent run")
	if err != nil {
		t.Fatal(err)
	}
	_, err = take(t, dir, "dvagent renew")
	var held *HeldError
	if !errors.As(err, &held) || !strings.Contains(held.Holder, "dvagent run") || !strings.HasPrefix(held.Holder, "pid ") {
		t.Errorf("got %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := take(t, dir, "dvagent renew")
	if err != nil {
		t.Fatal(err)
	}
	again.Unlock()
}

// fault 63
func TestALockFileThatWasReplacedIsNotMistakenForTheLock(t *testing.T) {
	path := Dir(t.TempDir()).LockFile()
	file, err := tryFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Unlock()
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if file.isAt(path) {
		t.Error("a missing file was taken for the lock")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if file.isAt(path) {
		t.Error("another file was taken for the lock")
	}
}

// The lock is not inherited by the commands that the agent runs.
func TestAChildDoesNotKeepTheLock(t *testing.T) {
	dir := Dir(t.TempDir())
	lock, err := take(t, dir, "dvagent run")
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	lock.Unlock()
	again, err := take(t, dir, "dvagent renew")
	if err != nil {
		t.Fatal(err)
	}
	again.Unlock()
}

// fault 148
func TestALockThatWasTakenAwayWithItsDirectoryIsTakenAnew(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "var", "state"))
	first, err := take(t, dir, "dvagent run")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Unlock()
	while, stop := first.While(t.Context(), time.Millisecond)
	defer stop()
	if err := first.Stands(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(string(dir)); err != nil {
		t.Fatal(err)
	}
	<-while.Done()
	if !errors.Is(context.Cause(while), ErrLost) || !dir.Gone() {
		t.Errorf("it ended by %v, gone %v", context.Cause(while), dir.Gone())
	}
	second, err := take(t, dir, "dvagent renew")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Unlock()
	if info, err := os.Stat(string(dir)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if !errors.Is(first.Stands(), ErrLost) || second.Stands() != nil || dir.Gone() {
		t.Errorf("the first says %v, the second %v", first.Stands(), second.Stands())
	}
}

func TestALockNamesTheLastOneWhoTookIt(t *testing.T) {
	for _, before := range []string{"", "pid 1 (x)\n", "pid 4194304 (dvagent with a longer name than the next one)\nmore\n"} {
		dir := Dir(t.TempDir())
		if err := os.WriteFile(dir.LockFile(), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		lock, err := take(t, dir, "first")
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("pid %d (first)", os.Getpid())
		if text, err := os.ReadFile(dir.LockFile()); string(text) != want+"\n" || err != nil {
			t.Errorf("after %q the file says %q, %v", before, text, err)
		}
		_, err = take(t, dir, "second")
		if held, ok := errors.AsType[*HeldError](err); !ok || held.Holder != want {
			t.Errorf("after %q the second one is told %v", before, err)
		}
		if err := lock.Unlock(); err != nil {
			t.Error(err)
		}
	}
}
