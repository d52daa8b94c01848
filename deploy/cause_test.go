package deploy_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// causeOf installs, and returns the cause of the failure.
func causeOf(t *testing.T, job deploy.Job) string {
	t.Helper()
	err := install(t, job).Err
	var failure interface{ Cause() string }
	if !errors.As(err, &failure) {
		t.Fatalf("no cause in %v", err)
	}
	return failure.Cause()
}

// resetting is a server that greets each client and resets the connection at the
// answer, so that the client's error names the client's port.
func resetting(t *testing.T, greeting string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, greeting)
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestTheCauseOfAFailureIsTheSameAtEachTry(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, h *host, job *deploy.Job) (cause string)
	}{
		{"a refused connection", func(_ *testing.T, _ *host, job *deploy.Job) string {
			job.Target.Probe = []string{"127.0.0.1:1"}
			return "127.0.0.1:1: connect"
		}},
		{"a host that has no address", func(t *testing.T, _ *host, job *deploy.Job) string {
			names(t, nil)
			job.Target.Probe = []string{"none.example:443"}
			return "none.example:443: resolve"
		}},
		{"a handshake that is reset", func(t *testing.T, _ *host, job *deploy.Job) string {
			job.Target.Probe = []string{resetting(t, "")}
			return job.Target.Probe[0] + ": handshake"
		}},
		{"a dialogue that is reset", func(t *testing.T, _ *host, job *deploy.Job) string {
			job.Target.Probe = []string{"smtp://" + resetting(t, "220 here\r\n")}
			return job.Target.Probe[0] + ": STARTTLS"
		}},
		{"several addresses", func(_ *testing.T, _ *host, job *deploy.Job) string {
			job.Target.Probe = []string{"127.0.0.1:2", "127.0.0.1:1"}
			return "127.0.0.1:1: connect; 127.0.0.1:2: connect"
		}},
		{"another certificate, by a changing number of workers", func(t *testing.T, h *host, job *deploy.Job) string {
			old := h.issue(t)
			pairs, n := []*tls.Certificate{pairOf(t, old), pairOf(t, old), pairOf(t, job.Bundle)}, atomic.Int32{}
			h.serveBy(t, "127.0.0.1:0", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return pairs[n.Add(1)%3], nil
			}})
			job.Target.Probe = []string{h.address}
			served := deploy.Handshake{Address: h.address, NotBefore: old.Leaf.NotBefore, Fingerprint: bundle.Fingerprint(old.Leaf)}
			return served.String()
		}},
		{"a check with changing output", func(_ *testing.T, _ *host, job *deploy.Job) string {
			job.Target.Check = shell("echo error in process $$; exit 3")
			return "check: /bin/sh failed: exit status 3"
		}},
		{"a reload with changing output", func(_ *testing.T, _ *host, job *deploy.Job) string {
			job.Target.Reload = shell("echo error in process $$; exit 3")
			return "reload: /bin/sh failed: exit status 3"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.put(t, h.issue(t))
			job := h.job(h.issue(t))
			job.Target.Timeout, job.Force = time.Second, true
			want := test.prepare(t, h, &job)
			for range 2 {
				if got := causeOf(t, job); got != want {
					t.Errorf("cause %q, want %q", got, want)
				}
			}
		})
	}
}
