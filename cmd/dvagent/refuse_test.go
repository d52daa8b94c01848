package main

import (
	"fmt"
	"testing"
)

// refusal is a call that the kernel refuses, wherever it touches one path.
type refusal struct{ path, call, errno string }

// refusals combines every call by which the agent changes files with each of the
// paths and each of the errors.
func refusals() []refusal {
	var all []refusal
	for _, path := range []string{
		"state", "state/lock", "state/instances.journal", "state/records.journal",
		"state/certificates/example.com", "state/certificates/example.com/order.journal",
		"state/certificates/example.com/last-order.journal", "state/certificates/example.com/rollout.journal",
		"state/certificates/example.com/pending", "state/certificates/example.com/versions", "state/certificates/example.com/.current.dvagent",
		"state/certificates/example.com/current", ".www.pem.dvagent", "www.pem", ".www.key.dvagent", "www.key", ".",
	} {
		for _, call := range []string{"openat", "write", "fsync", "fchmod", "mkdirat", "symlinkat", "renameat", "linkat", "unlinkat"} {
			for _, errno := range []string{"ENOSPC", "EIO", "EROFS", "EACCES", "ENFILE"} {
				all = append(all, refusal{path, call, errno})
			}
		}
	}
	return all
}

// faults 50 and 54: for a whole run a call fails wherever it touches one path;
// then it works again. Success is claimed only when all is well.
func TestACallThatIsRefusedLosesNoOrder(t *testing.T) {
	needStrace(t)
	stride := 37
	if longTest() {
		stride = 1
	}
	all := refusals() // each call at each path meets each way to order, with one error or another
	slots := make(chan struct{}, sideBySide)
	for i := 0; i < len(all); i += stride {
		r := all[i]
		ordering := orderings[i%len(orderings)]
		t.Run(fmt.Sprintf("%s of %s says %s to an order of %s", r.call, r.path, r.errno, ordering), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			c := newTrialOf(t, ordering)
			p := c.start("strace", "-f", "-qq", "-e", "signal=none", "-o", "/dev/null", "-P", c.path(r.path),
				"-e", "trace="+r.call, "-e", "inject="+r.call+":error="+r.errno, "dvagent", "renew", "--timeout", "6s")
			c.await(p)
			if p.cmd.ProcessState.ExitCode() == exitOK {
				c.served()
			}
			c.converges(1)
		})
	}
}
