package bundletest

import (
	"os"
	"os/exec"
	"testing"
)

const childVariable = "DVAGENT_TEST_CHILD"

// InChild runs do in a process of its own, in which the calling test has begun
// anew; in the parent it returns once that has passed. It is for what cannot be
// undone in a process: refused system calls, limits, the umask.
func InChild(t *testing.T, do func()) {
	t.Helper()
	if os.Getenv(childVariable) == t.Name() {
		do()
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
	child.Env = append(os.Environ(), childVariable+"="+t.Name())
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("in a child process: %v\n%s", err, out)
	}
}
