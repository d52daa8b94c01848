package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// fault 89: a crash leaves no core, even where one is wanted, and ends as a
// crash, not with the exit code of a wrong configuration.
func TestACrashDumpsNoMemory(t *testing.T) {
	const dumping = `ulimit -c unlimited && `
	control := exec.Command("/bin/sh", "-c", dumping+"kill -ABRT $$")
	control.Dir = t.TempDir()
	var exit *exec.ExitError
	if err := control.Run(); !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).CoreDump() {
		t.Skipf("this host dumps no core of anything: %v", err)
	}
	c, m := newTrial(t), newManager(t)
	c.env = append(c.env, m.env(time.Hour)...)
	service := c.start("/bin/sh", "-c", dumping+"exec dvagent run")
	m.await("^STATUS=nothing to do until 20")
	if err := service.cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	c.await(service)
	status := service.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signal() != syscall.SIGABRT || status.CoreDump() {
		t.Errorf("ended by %s, core dumped: %v:\n%s", status.Signal(), status.CoreDump(), service.output.String())
	}
	if cores, err := filepath.Glob(c.path("core*")); err != nil || len(cores) > 0 {
		t.Errorf("a core was written: %q, %v", cores, err)
	}
}

// fault 89: what is kept out of a core is also kept from other processes of the
// same user.
func TestAnotherProcessOfTheUserReadsNoMemory(t *testing.T) {
	binary := forEveryone(t)
	sandbox := nobody(binary, "sandbox")
	ready, err := sandbox.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	other := nobody("sleep", "60")
	for _, cmd := range []*exec.Cmd{sandbox, other} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	reads := func(cmd *exec.Cmd) error {
		return nobody("cat", fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)).Run()
	}
	if err := reads(other); err != nil {
		t.Fatalf("no process can be read here: %v", err)
	}
	if reads(sandbox) == nil {
		t.Error("the memory of dvagent can be read")
	}
}

// nobody is a command run by a user without rights.
func nobody(argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

// forEveryone puts the binary where any user can run it.
func forEveryone(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("dvagent")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "dvagent-sealed-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "dvagent")
	if out, err := exec.Command("cp", "--dereference", path, binary).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}
