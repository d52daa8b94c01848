package deploy_test

import (
	"crypto/tls"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/secret"
)

func TestHeld(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	other := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	dir := t.TempDir()
	files := map[string][]byte{
		"key.pem": b.KeyPEM(), "cert.pem": b.CertPEM(), "chain.pem": b.ChainPEM(), "fullchain.pem": b.FullchainPEM(),
		"combined.pem": append(b.KeyPEM(), b.FullchainPEM()...), "other.pem": other.FullchainPEM(),
		"other-combined.pem": append(other.KeyPEM(), other.FullchainPEM()...),
	}
	for name, data := range files {
		write(t, filepath.Join(dir, name), data)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct {
		name   string
		target deploy.Target
		chain  int
		err    string
	}{
		{"fullchain and key", deploy.Target{Fullchain: path("fullchain.pem"), Key: path("key.pem")}, 1, ""},
		{"cert, chain and key", deploy.Target{Cert: path("cert.pem"), Chain: path("chain.pem"), Key: path("key.pem")}, 1, ""},
		{"cert and key without a chain", deploy.Target{Cert: path("cert.pem"), Key: path("key.pem")}, 0, ""},
		{"combined alone", deploy.Target{Combined: path("combined.pem")}, 1, ""},
		{"a missing key is named", deploy.Target{Fullchain: path("fullchain.pem"), Key: path("none.pem")}, 0, "none.pem is missing"},
		{"no key at all", deploy.Target{Fullchain: path("fullchain.pem")}, 0, "no PEM block of a private key"},
		{"no certificate at all", deploy.Target{Key: path("key.pem")}, 0, "names no file with a certificate"},
		{"a pair that does not match", deploy.Target{Fullchain: path("other.pem"), Key: path("key.pem")}, 0, "does not belong"},
		{"two pairs", deploy.Target{Fullchain: path("fullchain.pem"), Key: path("key.pem"), Combined: path("other-combined.pem")}, 0, "holds another certificate"},
		{"a directory", deploy.Target{Combined: dir}, 0, "not a regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := deploy.Held(test.target)
			checkError(t, err, test.err)
			if err == nil && (got.ID() != b.ID() || len(got.Chain) != test.chain) {
				t.Errorf("held %s with %d issuers", got.ID(), len(got.Chain))
			}
		})
	}
}

func TestHeldDoesNotWaitForAFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := deploy.Held(deploy.Target{Combined: path})
	checkError(t, err, "not a regular file")
}

func TestInspect(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, h *host)
		files  string
		served bool
	}{
		{"all is in place", func(*testing.T, *host) {}, "", true},
		{"a removed file", func(t *testing.T, h *host) { _ = os.Remove(h.path("key.pem")) }, "key.pem is missing", true},
		{"a file that another program wrote", func(t *testing.T, h *host) { write(t, h.path("fullchain.pem"), []byte("x")) },
			"fullchain.pem holds something else", true},
		{"a changed mode", func(t *testing.T, h *host) { _ = os.Chmod(h.path("key.pem"), 0o640) }, "key.pem has mode 0640, not 0600", true},
		{"a server with an older leaf", func(t *testing.T, h *host) {
			old := h.issue(t)
			h.pair = &tls.Certificate{Certificate: [][]byte{old.Leaf.Raw}, PrivateKey: old.Key}
		}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			b := h.issue(t)
			checkError(t, install(t, h.job(b)).Err, "")
			test.change(t, h)
			drift := deploy.Inspect(t.Context(), h.target(), b)
			if got := strings.Join(drift.Files, "; "); !strings.HasSuffix(got, test.files) || (got == "") != (test.files == "") {
				t.Errorf("files %q, want %q", got, test.files)
			}
			if shown(drift.Served[0], b) != test.served || drift.Shown != test.served || drift.InPlace != (test.files == "" && test.served) {
				t.Errorf("in place %v, %s", drift.InPlace, drift.Served[0].Describe(b))
			}
			if h.reloads() != 1 {
				t.Error("looking ran a reload")
			}
		})
	}
}

func TestInstallGivesTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody here")
	}
	h := newHost(t)
	job := h.job(h.issue(t))
	job.Target.Owner, job.Target.Group, job.Target.KeyMode = "nobody", nobody.Gid, 0o640
	checkError(t, install(t, job).Err, "")
	if again := install(t, job); again.Changed {
		t.Error("the owner is given again")
	}
	if _, err := os.Stat(h.path("key.pem")); err != nil {
		t.Fatal(err)
	}
	wantMode(t, h.path("key.pem"), 0o640)
	if err := os.Chown(h.path("key.pem"), 0, 0); err != nil {
		t.Fatal(err)
	}
	if again := install(t, job); !again.Changed {
		t.Error("a changed owner does not heal")
	}
	job.Target.Owner = "no-such-user"
	checkError(t, install(t, job).Err, "look up owner: \"no-such-user\" is unknown")
}

func TestTargetIDStandsForFilesAndProbes(t *testing.T) {
	a := deploy.Target{Fullchain: "/a", Key: "/b", Probe: []string{"127.0.0.1:443"}, Password: secret.Secret{Literal: "one"}}
	same, moved, probed := a, a, a
	same.Password, same.Reload = secret.Secret{Literal: "two"}, []string{"true"}
	moved.Fullchain, moved.Cert = "", "/a"
	probed.Probe = []string{"127.0.0.1:8443"}
	if a.ID() != same.ID() || a.ID() == moved.ID() || a.ID() == probed.ID() {
		t.Errorf("IDs %s, %s, %s, %s", a.ID(), same.ID(), moved.ID(), probed.ID())
	}
}
