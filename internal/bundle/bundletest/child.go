package bundletest

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const childVariable = "DVAGENT_TEST_CHILD"

// InChild runs do in a process of its own, in which the calling test has begun
// anew; in the parent it returns once that has passed. It is for what cannot be
// undone in a process: refused system calls, limits, the umask.
func InChild(t *testing.T, do func()) {
	t.Helper()
	InChildUnder(t, nil, do)
}

// InChildUnder is InChild with a program, such as a tracer, and its arguments that
// run the process.
func InChildUnder(t *testing.T, program []string, do func()) {
	t.Helper()
	if os.Getenv(childVariable) == t.Name() {
		do()
		return
	}
	only := "-test.run=^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
	argv := append(slices.Clone(program), os.Args[0], only, "-test.timeout=60s")
	child := exec.Command(argv[0], argv[1:]...)
	child.Env = append(os.Environ(), childVariable+"="+t.Name())
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("in a child process: %v\n%s", err, out)
	}
}

// IsChild says that this is a process that InChild has started.
func IsChild() bool { return os.Getenv(childVariable) != "" }
