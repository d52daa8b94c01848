package config

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"dvagent/internal/bundle/bundletest"
)

// aRoot is a root certificate, as a file holds it.
func aRoot(t *testing.T) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bundletest.NewCA(t, "a private endpoint").Root.Raw})
}

func TestAFileOfRootsIsJudgedWithTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, content []byte) string {
		path := dir + "/" + name
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	root := aRoot(t)
	for _, tt := range []struct{ name, path, says string }{
		{"roots", file("ca.pem", 0o644, root), ""},
		{"no absolute path", "ca.pem", "not an absolute path"},
		{"nothing", dir + "/none", "no such file"},
		{"a device", "/dev/null", "/dev/null: not a regular file"},
		{"a directory", dir, "not a regular file"},
		{"a pipe", dir + "/fifo", "not a regular file"},
		{"an empty file", file("empty", 0o600, nil), "holds no PEM certificate"},
		{"a file of something else", file("other", 0o600, []byte("state_dir = 1\n")), "holds no PEM certificate"},
		{"a file without end", file("long", 0o600, make([]byte, maxBytes+1)), "too large"},
		{"a file that anybody can change", file("open.pem", 0o666, root), "open.pem: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, strings.Replace(sound, "[account.main]", fmt.Sprintf("[account.main]\nca_file = %q", tt.path), 1))
			var wrong *Error
			switch located := errors.As(err, &wrong); {
			case tt.says == "" && err == nil:
			case tt.says == "" || !located || wrong.Key != "account.main.ca_file" || wrong.Line == 0 || !strings.Contains(err.Error(), tt.says):
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}
