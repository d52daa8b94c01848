// Package statetest lays out hosts for tests: a configuration, and the state that an
// agent leaves behind that has issued and installed all of its certificates. It is
// for tests alone.
package statetest

import (
	"cmp"
	"crypto"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/rollout"
	"dvagent/deploy"
	"dvagent/hooks"
	"dvagent/internal/bundle/bundletest"
)

// Host is what is laid out. The zero value of a field means: the least.
type Host struct {
	Dir          string // the directory for all of it; it exists
	Certificates int
	Apart        bool // each certificate has a file in conf.d, in place of a table in agent.toml
	Directories  bool // each certificate has a directory for its files
}

// Config is the path of the configuration.
func (h Host) Config() string { return filepath.Join(h.Dir, "agent.toml") }

// State is the state directory.
func (h Host) State() string { return filepath.Join(h.Dir, "state") }

// Name is what the certificate of that number is called, from 0 on.
func (h Host) Name(i int) string { return fmt.Sprintf("host%d.example.com", i) }

// Target is where a certificate is installed.
func (h Host) Target(i int) deploy.Target {
	base := filepath.Join(h.Dir, "tls", h.Name(i))
	if h.Directories {
		base += "/pair"
	}
	return deploy.Target{Fullchain: base + ".pem", Key: base + ".key", ServerName: h.Name(i)}
}

// fewKeys is how many keys the certificates share: what costs time to make, and
// none to read.
const fewKeys = 8

// Make lays it out. No certificate is due, each is installed, and every hook that
// there could be was told.
func (h Host) Make(tb testing.TB) {
	tb.Helper()
	for _, dir := range []string{"state/certificates", "conf.d", "tls"} {
		h.must(tb, os.MkdirAll(filepath.Join(h.Dir, dir), 0o700))
	}
	ca := bundletest.NewCA(tb, "state")
	keys := make([]crypto.Signer, fewKeys)
	for i := range keys {
		keys[i] = bundletest.NewKey(tb)
	}
	var group errgroup.Group
	group.SetLimit(4 * runtime.GOMAXPROCS(0))
	for i := range h.Certificates {
		group.Go(func() error { return h.certificate(tb, ca, keys[i%fewKeys], i) })
	}
	h.must(tb, cmp.Or(group.Wait(), h.configure(), h.claim()))
}

func (h Host) must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// certificate stores a version, installs it and writes down both.
func (h Host) certificate(tb testing.TB, ca *bundletest.CA, key crypto.Signer, i int) error {
	pair := ca.Issue(tb, bundletest.Leaf{Names: []string{h.Name(i)}, Key: key})
	version, target := pair.ID(), h.Target(i)
	dir := filepath.Join(h.State(), "certificates", h.Name(i))
	keyPEM, chain, leaf := pair.KeyPEM(), pair.ChainPEM(), pair.CertPEM()
	fullchain := pair.FullchainPEM()
	stored := filepath.Join(dir, "versions", version)
	for _, parent := range []string{stored, filepath.Dir(target.Key)} {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	for _, file := range []struct {
		path string
		data []byte
		mode os.FileMode
	}{
		{stored + "/privkey.pem", keyPEM, 0o600}, {stored + "/chain.pem", chain, 0o644},
		{stored + "/fullchain.pem", fullchain, 0o644}, {stored + "/cert.pem", leaf, 0o644},
		{target.Key, keyPEM, deploy.DefaultKeyMode}, {target.Fullchain, fullchain, deploy.DefaultMode},
		{filepath.Join(dir, rollout.File), rolledOut(target, version), 0o600},
	} {
		if err := os.WriteFile(file.path, file.data, file.mode); err != nil {
			return err
		}
	}
	return os.Symlink("versions/"+version, filepath.Join(dir, "current"))
}

// rolledOut is the journal of a deployment that went well.
func rolledOut(target deploy.Target, version string) []byte {
	id, at := target.ID(), time.Now().Add(-time.Hour)
	var facts []any
	for _, fact := range []rollout.Fact{
		{Kind: rollout.Started, Target: id}, {Kind: rollout.Deployed, Target: id},
		{Kind: rollout.Told, Target: hooks.Issued}, {Kind: rollout.Told, Target: hooks.Deployed},
	} {
		fact.At, fact.Version = at, version
		facts = append(facts, fact)
	}
	return journal(facts)
}

// journal is the text that package journal would have written, which syncs each
// line of it.
func journal(facts []any) []byte {
	sum := crc32.MakeTable(crc32.Castagnoli)
	line := func(text []byte) []byte { return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, sum), text) }
	out := line([]byte("dvagent-journal 1"))
	for _, fact := range facts {
		text, err := json.Marshal(fact)
		if err != nil {
			panic(err) // facts are plain
		}
		out = append(out, line(text)...)
	}
	return out
}

// claim lets each certificate keep the instance that it was issued from.
func (h Host) claim() error {
	var entries []any
	for i := range h.Certificates {
		for _, what := range []string{"claimed", "submitted", "kept"} {
			entries = append(entries, map[string]any{"at": time.Now().Add(-time.Hour), "fact": what, "account": "main",
				"instance": fmt.Sprintf("cas_dv_%d", i), "certificate": h.Name(i)})
		}
	}
	return os.WriteFile(filepath.Join(h.State(), "instances.journal"), journal(entries), 0o600)
}

// mostTables is how many certificates a file holds: it may not be of any length.
const mostTables = 10_000

// configure writes agent.toml, and conf.d where that is wanted or there is too much.
func (h Host) configure() error {
	files, file := map[string]string{}, h.Config()
	var text strings.Builder
	fmt.Fprintf(&text, "state_dir = %q\n[account.main]\naccess_key_id = \"x\"\naccess_key_secret = \"x\"\n"+
		"[contact.ops]\nusername = \"x\"\nmobile = \"1\"\nemail = \"x@example.com\"\nprovince = \"x\"\ncity = \"x\"\n", h.State())
	for i := range h.Certificates {
		target := h.Target(i)
		table := fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [%q]\n[[certificate.deploy]]\nfullchain = %q\nkey = %q\n",
			h.Name(i), h.Name(i), target.Fullchain, target.Key)
		if !h.Apart {
			text.WriteString(table)
			if (i+1)%mostTables == 0 {
				files[file] = text.String()
				text.Reset()
				file = filepath.Join(h.Dir, "conf.d", fmt.Sprintf("%d.toml", i+1))
			}
			continue
		}
		files[filepath.Join(h.Dir, "conf.d", h.Name(i)+".toml")] = table
	}
	if text.Len() > 0 {
		files[file] = text.String()
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
