package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// fault 188
func TestAProgramThatTheKernelWouldNotStartIsSaidWithTheReason(t *testing.T) {
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, err, hint string }{
		{"a script", "#!/bin/sh\nexit 0\n", "", ""},
		{"a script with a blank and an option", "#! /bin/sh -e\nexit 0\n", "", ""},
		{"a script by env", "#!/usr/bin/env sh\nexit 0\n", "", ""},
		{"a script by env with its options", "#!/usr/bin/env -S LANG=C sh -e\nexit 0\n", "", ""},
		{"a program", string(shell), "", ""},
		{"lines of Windows", "#!/bin/sh\r\nexit 0\r\n", "its lines end in CR LF, as on Windows", `sed -i 's/\r$//' `},
		{"lines of Windows and env", "#!/usr/bin/env sh\r\n", "its lines end in CR LF", "sed"},
		{"no such interpreter", "#!/usr/bin/no-such-perl\n", "its interpreter: run /usr/bin/no-such-perl: it is missing", ""},
		{"an interpreter that is none", "#!/etc/passwd\n", "its interpreter: run /etc/passwd: not executable", "chmod"},
		{"no such interpreter by env", "#!/usr/bin/env no-such-python\n", "its interpreter: run no-such-python: not found in PATH", "install it"},
		{"no interpreter", "#!\n", "names no interpreter", "#!/bin/sh"},
		{"a text", "exit 0\n", "a text that does not name its interpreter", "#!/bin/sh"},
		{"nothing", "", "a text that does not name its interpreter", "#!/bin/sh"},
		{"a program for another system", strings.Replace(string(shell), "/ld-", "/no-", 1), "what loads it is missing: /", "for this system"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, []byte(tt.text), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := command.LookPath([]string{path})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || !strings.Contains(hint.Of(err), tt.hint) {
				t.Errorf("got %v (hint: %s), want %q", err, hint.Of(err), tt.err)
			}
			ran := command.Run(t.Context(), command.Command{Argv: []string{path, "-c", ":"}, Env: command.BaseEnv()})
			if (ran.Err == nil) != (tt.err == "") || ran.Err != nil && !strings.Contains(ran.Err.Error(), tt.err) {
				t.Errorf("it ran: %v", ran.Err)
			}
		})
	}
}

func TestAPipeInPlaceOfAProgramKeepsNobodyWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	if err := syscall.Mkfifo(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := command.LookPath([]string{path}); err == nil {
		t.Error("it is taken for a program")
	}
}
