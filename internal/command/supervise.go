package command

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisorName, as argument 0, tells this program to supervise one command
// instead of doing its usual work. A process that has only one command can adopt
// every orphan as that command's, even after setsid and a double fork, while
// other commands run at the same time.
//
//	dvagent-command GRACE PATH ARGUMENT0 [ARGUMENT…]
//
// Standard input is the leash: the command is stopped at its end, whether the
// agent closed it or died. The report goes to descriptor 3.
const supervisorName = "dvagent-command"

const reportDescriptor = 3

// report is how the command ended, in JSON.
type report struct {
	Status  syscall.WaitStatus `json:"status"`            // of wait(2)
	Stopped bool               `json:"stopped,omitempty"` // at the end of the leash, with all its descendants
	Errno   syscall.Errno      `json:"errno,omitempty"`   // why it was not started
}

// supervises is set where a supervisor can be started: elsewhere the second
// process would do the program's usual work, with a supervisor's arguments.
var supervises atomic.Bool

var errNoSupervisor = errors.New("this program does not begin with command.Supervise")

// Supervise returns at once, unless this process was started as the supervisor
// of a command. Then it never returns: it supervises, reports and exits. A
// program whose main or TestMain does not begin with it can run no command. No
// command gets a descriptor that the process was started with.
func Supervise() {
	supervises.Store(true)
	keepDescriptors()
	if len(os.Args) == 0 || os.Args[0] != supervisorName {
		return
	}
	if len(os.Args) < 4 {
		os.Exit(2)
	}
	grace, err := time.ParseDuration(os.Args[1])
	if err != nil {
		os.Exit(2)
	}
	r := supervise(os.Args[2], os.Args[3:], grace)
	_ = json.NewEncoder(os.NewFile(reportDescriptor, "report")).Encode(r) // fails when the agent is gone
	syscall.Exit(0)                                                       // os.Exit takes a second under the race detector
}

// keepDescriptors keeps what this process was started with, beside the three
// standard descriptors, from the commands: a lock of the caller's that a server
// in the background would hold, or a file that it may not read.
func keepDescriptors() {
	const first = 3
	if unix.CloseRange(first, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd") // a kernel before 5.11
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= first {
			syscall.CloseOnExec(fd)
		}
	}
}

func supervise(path string, argv []string, grace time.Duration) report {
	// Nothing but the leash ends a supervisor. Signals are caught rather than
	// ignored, which the command would inherit.
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

// start makes this process adopt orphans and starts the command in a new
// session: no terminal can make it wait for an answer, and its process groups
// contain only its descendants.
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

// reaped yields each child or adopted orphan as it ends, and is closed when none
// is left.
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
	killTime  = 2 * time.Second       // then a process that cannot be killed is left alone
)

// endAll sends TERM to all descendants and, after grace, KILL to those still
// alive and to any that they fork in the meantime.
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
