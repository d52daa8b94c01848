package command_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fault 175
func TestACommandInheritsNoDescriptor(t *testing.T) {
	const variable = "DVAGENT_TEST_INHERITS"
	if os.Getenv(variable) != "" {
		got := shell(t.Context(), "ls /proc/self/fd", nil) // ls has one of its own
		t.Logf("descriptors: %s", strings.Join(strings.Fields(got.Output), " "))
		return
	}
	lock, err := os.Create(t.TempDir() + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	agent := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	agent.Env = append(os.Environ(), variable+"=1")
	agent.ExtraFiles = []*os.File{lock, lock, lock}
	output, err := agent.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "descriptors: 0 1 2 3\n") {
		t.Errorf("error %v:\n%s", err, output)
	}
}
