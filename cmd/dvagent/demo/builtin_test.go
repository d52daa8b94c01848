package demo_test

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dvagent/cmd/dvagent/demo"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

func TestTheServerTakesANewPairAtAReloadAndNotBefore(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	old, fresh := ca.Issue(t, bundletest.Leaf{}), ca.Issue(t, bundletest.Leaf{})
	for _, tt := range []struct {
		name      string
		fullchain []byte
		reload    bool
		want      *bundle.Bundle
	}{
		{"a new pair without a reload", fresh.FullchainPEM(), false, old},
		{"a new pair and a reload", fresh.FullchainPEM(), true, fresh},
		{"a pair that does not match", old.FullchainPEM(), true, old},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			fullchain, key := filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key")
			write(t, fullchain, old.FullchainPEM())
			write(t, key, old.KeyPEM())
			server, err := demo.Serve(fullchain, key, filepath.Join(dir, "reload"))
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			write(t, fullchain, tt.fullchain)
			write(t, key, fresh.KeyPEM())
			if tt.reload {
				argv := server.ReloadCommand()
				if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if got := served(t, server.Address()); got != bundle.Fingerprint(tt.want.Leaf) {
				t.Errorf("it serves %s", got)
			}
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// served is the fingerprint of the leaf that a handshake shows.
func served(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return bundle.Fingerprint(conn.ConnectionState().PeerCertificates[0])
}
