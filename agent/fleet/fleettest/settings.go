package fleettest

import (
	"os"
	"path/filepath"
	"testing"

	"dvagent/agent/config"
	"dvagent/internal/secret"
)

// Settings are those of a host of the cluster. The identity is that of a file which
// the hosts share.
func (c *Cluster) Settings(identity string) config.Fleet {
	settings := config.Fleet{Etcd: c.URLs(), Prefix: "/dvagent/", Canaries: 1, Identity: secret.Secret{File: identity}}
	if c.Security != nil {
		settings.CAFile, settings.CertFile, settings.Key = c.Security.CAFile, c.Security.CertFile, secret.Secret{File: c.Security.KeyFile}
	}
	return settings
}

// Identity writes a text, as of fleet.NewIdentity, into a file.
func Identity(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fleet.key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
