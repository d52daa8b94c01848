// Package servertest runs a server program beside a test, and keeps what it logs. It
// waits for no answer of it, and knows none of the programs. It is for tests alone.
package servertest

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// Log may be read while the server writes.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Process is a server at work.
type Process struct {
	Ended <-chan struct{} // closed when it has ended

	process *os.Process
}

// Start runs a command in the foreground, with its output in a log. It does not outlive
// tests that time out.
func Start(cmd *exec.Cmd, log *Log) (*Process, error) {
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		defer close(ended)
		runtime.LockOSThread() // whose end would count as the death of the parent
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, or its log says why it ended
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &Process{Ended: ended, process: cmd.Process}, nil
}

// Signal sends a signal to the process.
func (p *Process) Signal(signal os.Signal) error { return p.process.Signal(signal) }

// Kill ends the process, which has nothing to save, and waits until it has ended.
func (p *Process) Kill() {
	_ = p.process.Kill() // it may have ended by itself
	<-p.Ended
}
