// Package dnstest runs two real name servers on loopback, BIND and unbound. They
// have root servers of their own, so that they ask nobody outside. It is for
// tests alone.
package dnstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/servertest"

	"github.com/miekg/dns"
)

// patience bounds each wait for a server.
const patience = 10 * time.Second

// rootHints leads to a port of loopback where nobody listens.
const rootHints = ". 3600 NS ns.invalid.\nns.invalid. 3600 A 127.0.0.1\n"

// Server is a running name server. It is killed at the end of its test, which
// shows what it logged when it fails.
type Server struct {
	Address string // host:port, UDP and TCP

	t       testing.TB
	process *servertest.Process
	log     servertest.Log
}

// start runs a program in the foreground.
func start(t testing.TB, address, program string, args ...string) *Server {
	t.Helper()
	s := &Server{Address: address, t: t}
	process, err := servertest.Start(exec.Command(program, args...), &s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.process = process
	t.Cleanup(func() {
		s.process.Kill() // it may be paused
		if t.Failed() {
			t.Logf("%s at %s:\n%s", filepath.Base(program), address, s.log.String())
		}
	})
	return s
}

// Ask puts one question over UDP, with recursion and signatures desired. It
// returns nil when no answer comes within 100 ms.
func (s *Server) Ask(name string, qtype uint16) *dns.Msg {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	client := &dns.Client{Timeout: 100 * time.Millisecond}
	answer, _, err := client.Exchange(query.SetEdns0(1232, true), s.Address)
	if err != nil {
		return nil
	}
	return answer
}

// Pause stops the process, which from then on says nothing, until Resume.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	s.await("silence", func() bool { return s.Ask(".", dns.TypeSOA) == nil })
}

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// await fails the test unless what it waits for comes to hold.
func (s *Server) await(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
		select {
		case <-s.process.Ended:
			s.t.Fatalf("%s ended before %s", s.Address, what)
		default:
		}
	}
	s.t.Fatalf("%s: not within %s: %s", s.Address, patience, what)
}

// need finds a program, or skips the test.
func need(t testing.TB, program string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: the prover was not tried against it", program)
	return ""
}

// lastPort is the port that was given out last. These ports lie below those that
// the sandbox's tests and the kernel give out.
var lastPort atomic.Int32

func init() { lastPort.Store(10000 + rand.Int32N(9000)) }

// freePort finds a port of 127.0.0.1 that is free for UDP and TCP.
func freePort(t testing.TB) int {
	t.Helper()
	for range 50 {
		port := int(lastPort.Add(1))
		address := fmt.Sprintf("127.0.0.1:%d", port)
		packets, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		listener, err := net.Listen("tcp", address)
		packets.Close()
		if err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no port is free for UDP and TCP")
	return 0
}

// write makes a file in a directory and returns its path.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
