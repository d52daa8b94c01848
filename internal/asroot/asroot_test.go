package asroot

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/internal/command"
)

func TestMain(m *testing.M) {
	command.Supervise()
	os.Exit(m.Run())
}

// listen answers at a socket as dvagent-root.socket does.
func listen(t *testing.T, list ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dvagent-root-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
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
			go func() {
				defer conn.Close()
				Answer(context.Background(), conn, list, func([]string, command.Result) {})
			}()
		}
	}()
	return socket
}

func TestRootRunsWhatItListsAndNothingElse(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ran")
	socket := listen(t, "nginx -t", "sh -c exit", "touch "+marker, "cat /no/such/file")
	for _, tt := range []struct {
		name   string
		argv   []string
		listed bool
	}{
		{"a command of the list", []string{"touch", marker}, true},
		{"the same by the program's path", []string{"/usr/bin/touch", marker}, true},
		{"with another word", []string{"touch", marker + "2"}, false},
		{"with one more", []string{"touch", marker, marker + "2"}, false},
		{"with one less", []string{"touch"}, false},
		{"another program of that name", []string{"/tmp/touch", marker}, false},
		{"words in one", []string{"touch " + marker}, false},
		{"another program", []string{"rm", marker}, false},
		{"none", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			os.Remove(marker)
			if got := listedAt(t.Context(), socket, tt.argv); got != tt.listed {
				t.Errorf("listed: %v", got)
			}
			if _, err := os.Stat(marker); err == nil {
				t.Error("a question ran it")
			}
			a, err := exchange(t.Context(), socket, request{Argv: tt.argv, Timeout: time.Minute})
			_, missing := os.Stat(marker)
			if err != nil || a.Listed != tt.listed || (missing == nil) != tt.listed || a.Error != "" {
				t.Errorf("%+v, %v, %v", a, err, missing)
			}
		})
	}
}

func TestWhatRootRanIsToldAsIfItHadRunHere(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root asks nobody: .ci/run runs this as nobody")
	}
	socket := listen(t, "cat /no/such/file", "sleep 60", "true")
	result, done := runAt(t.Context(), socket, command.Command{Argv: []string{"cat", "/no/such/file"}})
	var failure *command.Failure
	if !done || result.ExitCode != 1 || !errors.As(result.Err, &failure) || !strings.Contains(result.Err.Error(), "cat failed: exit status 1") ||
		!strings.Contains(result.Err.Error(), "/no/such/file") {
		t.Errorf("%+v, %v", result, done)
	}
	if result, done := runAt(t.Context(), socket, command.Command{Argv: []string{"true"}}); !done || result.Err != nil || result.ExitCode != 0 {
		t.Errorf("%+v, %v", result, done)
	}
	begun := time.Now()
	result, done = runAt(t.Context(), socket, command.Command{Argv: []string{"sleep", "60"}, Timeout: 100 * time.Millisecond})
	if !done || result.ExitCode != -1 || !strings.Contains(result.Err.Error(), "ran longer than 100ms") || time.Since(begun) > 30*time.Second {
		t.Errorf("%+v, %v", result, done)
	}
	if _, done := runAt(t.Context(), socket+"-gone", command.Command{Argv: []string{"true"}}); done {
		t.Error("nobody listens, and it was done")
	}
}

func TestACommandOfRootsIsStoppedWhenTheAgentGoesAway(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $$ >"+pid+".new\nmv "+pid+".new "+pid+"\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	socket := listen(t, script)
	ctx, cancel := context.WithCancel(t.Context())
	go exchange(ctx, socket, request{Argv: []string{script}, Timeout: time.Minute})
	var text []byte
	for end := time.Now().Add(15 * time.Second); len(text) == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(pid)
	}
	cancel()
	proc := filepath.Join("/proc", strings.TrimSpace(string(text)))
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(proc); err != nil && len(text) > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %q lives", text)
		}
	}
}
