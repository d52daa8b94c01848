// Package deploy makes a bundle into files on this host and proves by a TLS
// handshake that they are served. It writes, checks, reloads and probes, and
// puts the files before back when the new ones broke a server that worked. It
// chooses neither the bundle nor the time, journals nothing and retries nothing
// beyond the target's timeout: that is the rollout's part.
package deploy

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/command"
)

// Target is one deployment of a certificate: which files, how they come into
// use, and where that is seen. Paths are absolute.
type Target struct {
	Fullchain, Key, Cert, Chain, Combined, PFX, JKS string // any of

	Password      string      // of PFX and JKS; in no error and no output
	LegacyPFX     bool        // the old ciphers, for readers older than OpenSSL 3
	KeyFormat     string      // "" as it came, "pkcs1" or "pkcs8"
	Owner, Group  string      // name or number; "" leaves them as the process makes them
	Mode, KeyMode fs.FileMode // 0 is 0644 and 0600; a file that holds a key gets KeyMode
	Check, Reload []string
	Timeout       time.Duration // of each command, and of the probes together; default 1 minute
	Probe         []string      // as CheckProbe wants them
	ServerName    string        // sent to the probes; "" is the leaf's first name
}

// Job is a bundle that a target shall hold and serve.
type Job struct {
	Certificate string // its configured name, for messages
	Target      Target
	Bundle      *bundle.Bundle
	Force       bool // check and reload even when nothing changed

	// Before is the directory for originals that are not ours; "" keeps none.
	Before string
	// Known says whether a public key is that of a stored version
	// (bundle.Store.Has); what it does not know is an original. When nil,
	// nothing is known.
	Known func(crypto.PublicKey) bool
}

// Result is how a job ended. Err is nil only when every probe showed the
// bundle's leaf or there are none, and no command failed. With any other Err
// the deployment is owed.
type Result struct {
	Job           Job
	Changed       bool            // a file was written, and not put back
	Kept          string          // the directory that the originals were copied to, or ""
	Served        []Listener      // the last look at each of Target.Probe, in that order
	Warnings      []string        // what may trouble clients although it is served
	Check, Reload *command.Result // nil when not run
	RolledBack    bool            // the files before are in place again
	Err           error
}

// String is the file that a person knows the target by.
func (t Target) String() string {
	return cmp.Or(t.Fullchain, t.Combined, t.PFX, t.JKS, t.Cert, t.Chain, t.Key)
}

// Paths lists the target's files.
func (t Target) Paths() []string {
	var paths []string
	for _, f := range formats {
		if path := f.path(t); path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// ID is twelve hex digits that stand for what the target is: its files and
// probes. It stays the same when a command, an owner or a password changes.
func (t Target) ID() string {
	var what strings.Builder
	for _, f := range formats {
		what.WriteString(f.name + "=" + f.path(t) + "\n")
	}
	for _, address := range t.Probe {
		what.WriteString("probe=" + address + "\n")
	}
	what.WriteString("name=" + t.ServerName + "\n")
	sum := sha256.Sum256([]byte(what.String()))
	return hex.EncodeToString(sum[:6])
}

func (t Target) timeout() time.Duration {
	if t.Timeout <= 0 {
		return time.Minute
	}
	return t.Timeout
}
