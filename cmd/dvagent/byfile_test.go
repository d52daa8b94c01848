package main

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// newTrialByFile is a trial whose domains are proved by files that a web server
// shows to the CA. dvagent itself cannot look at the server's port.
func newTrialByFile(t *testing.T, options sandbox.Options) *trial {
	t.Helper()
	root := t.TempDir()
	web := httptest.NewServer(http.FileServer(http.Dir(root)))
	t.Cleanup(web.Close)
	options.CASAPI, options.HTTPPort = sandbox.API2020, web.Listener.Addr().(*net.TCPAddr).Port
	c := newTrialAgainst(t, options)
	c.webroot = root
	for _, rr := range []string{"@", "www"} {
		if _, err := c.sandbox.AddRecord("example.com", rr, "A", "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
	config := c.path("agent.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	const both = `domains = ["example.com", "*.example.com"]`
	if !strings.Contains(string(text), both) {
		t.Fatalf("the configuration has other domains:\n%s", text)
	}
	changed := strings.Replace(string(text), both, "domains = [\"example.com\", \"www.example.com\"]\nvalidation = \"file\"\nwebroot = \""+root+"\"", 1)
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// filesShown are the contents of the files in the webroot.
func (c *trial) filesShown() []string {
	c.Helper()
	var all []string
	if c.webroot == "" {
		return nil
	}
	err := filepath.WalkDir(c.webroot, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) || path == c.webroot: // it may go meanwhile
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			return nil
		}
		text, err := os.ReadFile(path)
		all = append(all, string(text))
		return err
	})
	if err != nil {
		c.Error(err)
	}
	return all
}

// faults 59, 118
func TestACheckByFileIsCutAtEachEffectOnDisk(t *testing.T) {
	needStrace(t)
	t.Parallel()
	every(t, "effect", 3, func(t *testing.T, n int) bool {
		c := newTrialOf(t, byFile)
		cut := c.cutAtEffect(n, "check", "--online")
		c.converges(1)
		return cut
	})
}

// fault 118
func TestAnOrderByFileThatIsTerminatedOwesItsFile(t *testing.T) {
	t.Parallel()
	c := newTrialOf(t, byFile)
	p := c.signalAt(func(_ int, action string) bool { return action == "GetUserCertificateDetail" }, syscall.SIGKILL, false)
	if p == nil {
		t.Fatal("nothing was issued")
	}
	owed, err := order.LoadOwed(state.Dir(c.path("state")).Records())
	if err != nil || len(owed.All()) != 2 || owed.All()[0].Record.Kind != order.File {
		t.Errorf("owed: %+v, %v", owed.All(), err)
	}
	c.converges(1)
}
