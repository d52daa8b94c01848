package command

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor, as argument 0, makes this program supervise one command in place
// of doing its own work. A process of its own can adopt whatever the command
// leaves behind, so that each descendant is known to be this command's, also
// after setsid and a double fork, while other commands run beside it.
//
//	dvagent-command GRACE PATH ARGUMENT0 [ARGUMENT…]
//
// Standard input is the leash: its end stops the command, be it that the agent
// closed it or that the agent died. The report goes to descriptor 3.
const supervisor = "dvagent-command"

const reportDescriptor = 3

// report is how the command ended, in JSON.
type report struct {
	Status  syscall.WaitStatus `json:"status"`            // of wait(2)
	Stopped bool               `json:"stopped,omitempty"` // on request, with all its descendants
	Errno   syscall.Errno      `json:"errno,omitempty"`   // why it was not started
}

// init comes before any main, so that test binaries can supervise too.
func init() {
	if len(os.Args) < 4 || os.Args[0] != supervisor {
		return
	}
	grace, err := time.ParseDuration(os.Args[1])
	if err != nil {
		os.Exit(2)
	}
	syscall.CloseOnExec(reportDescriptor)
	r := supervise(os.Args[2], os.Args[3:], grace)
	_ = json.NewEncoder(os.NewFile(reportDescriptor, "report")).Encode(r) // fails when the agent is gone
	syscall.Exit(0)                                                       // os.Exit takes a second under the race detector
}

func supervise(path string, argv []string, grace time.Duration) report {
	// The leash alone ends a supervisor. Signals are caught, since the command
	// would inherit it if they were ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	pid, err := start(path, argv)
	if err != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		return report{Errno: errno}
	}
	stop, ended := leash(), reaped()
	for {
		select {
		case <-stop:
			endAll(ended, grace)
			return report{Stopped: true}
		case p := <-ended:
			if p.pid == pid {
				return report{Status: p.status} // what it left in the background lives on
			}
		}
	}
}

// start makes this process the one that adopts orphans, and starts the command
// in a session of its own: no terminal can stop it to ask a question, and its
// process groups hold nobody but its descendants.
func start(path string, argv []string) (int, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{null.Fd(), uintptr(syscall.Stdout), uintptr(syscall.Stderr)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

func leash() <-chan struct{} {
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		_, _ = io.Copy(io.Discard, os.Stdin) // an error ends it as well
	}()
	return stop
}

type process struct {
	pid    int
	status syscall.WaitStatus
}

// reaped yields each child or adopted orphan as it ends, and is closed when
// there is none left.
func reaped() <-chan process {
	ended := make(chan process)
	go func() {
		defer close(ended)
		for {
			var p process
			var err error
			if p.pid, err = syscall.Wait4(-1, &p.status, 0, nil); err == nil {
				ended <- p
			} else if err != syscall.EINTR {
				return
			}
		}
	}()
	return ended
}

const (
	killAgain = 10 * time.Millisecond // between two rounds of KILL
	killTime  = 2 * time.Second       // after which a process that cannot be killed is left
)

// endAll sends TERM to all descendants, and KILL to those that live after
// grace and to what they fork meanwhile.
func endAll(ended <-chan process, grace time.Duration) {
	signalDescendants(os.Getpid(), syscall.SIGTERM)
	kill, giveUp := time.After(grace), time.After(grace+killTime)
	for {
		select {
		case _, more := <-ended:
			if !more {
				return
			}
		case <-kill:
			signalDescendants(os.Getpid(), syscall.SIGKILL)
			kill = time.After(killAgain)
		case <-giveUp:
			return
		}
	}
}
