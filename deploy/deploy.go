// Package deploy installs a bundle as files on this host and proves by TLS
// handshakes that it is served. It writes, checks, reloads and probes, and puts
// the previous files back when the new ones break a server that worked. It
// chooses neither the bundle nor the time, keeps no journal, and tries nothing
// again once the target's timeout is over: the caller does.
package deploy

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"iter"
	"strings"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/secret"
)

// Target is one deployment of a certificate: its files, the commands that put
// them to use, and the addresses where they are served. Paths are absolute.
type Target struct {
	Fullchain, Key, Cert, Chain, Combined, PFX, JKS string // any of

	Password      secret.Secret // of PFX and JKS, read anew for each use; in no error
	JKSAlias      string        // of the entry in JKS; default DefaultJKSAlias
	LegacyPFX     bool          // the old ciphers, for readers older than OpenSSL 3
	KeyFormat     string        // "" as it came, "pkcs1" or "pkcs8"
	Owner, Group  string        // name or number; "" leaves them as the process makes them
	Mode, KeyMode fs.FileMode   // default DefaultMode and DefaultKeyMode; a file that holds a key gets KeyMode
	Check, Reload []string
	Timeout       time.Duration // of each command, and of the probes together; default command.DefaultTimeout
	Probe         []string      // as CheckProbe wants them
	ServerName    string        // sent to the probes; "" is the leaf's first name

	// Instead is what Result.Instead was: no file with these attributes lacks any.
	Instead map[string]Attributes
	// Shortcomings say in words what of it was not known yet.
	Shortcomings []string
}

// The modes of files of which a Target does not say any.
const (
	DefaultMode    fs.FileMode = 0o644
	DefaultKeyMode fs.FileMode = 0o600
)

// Job is a bundle to be installed on a target.
type Job struct {
	Certificate string // its configured name, for messages
	Target      Target
	Bundle      *bundle.Bundle
	Force       bool // check and reload even when nothing changed

	// Originals is the directory to which files are copied that were not
	// installed by us, before they are replaced; "" copies none.
	Originals string
	// Known says whether a public key is that of a stored version
	// (bundle.Store.Has); files with any other key are originals. When nil, no
	// key is known.
	Known func(crypto.PublicKey) bool
	// Waits is told what is waited for when it takes more than a moment, by another
	// goroutine; it may be nil.
	Waits func(what string)
}

// Result is how a job ended. Err is nil only when no command failed and every
// probe, if there are any, showed the bundle's leaf. Otherwise the deployment is
// owed.
//
// An Err that is about a command or a probe has a Cause, as a command.Failure
// has, which errors.As finds in the same way. It tells how the command ended, or
// what is wrong at each address, without output, local ports or counts.
type Result struct {
	Job        Job
	Changed    bool       // a file was written, and not put back
	Changes    []string   // "PATH: owner bob becomes root" and the like, for each file where more than the content changed
	Originals  string     // the directory that the originals were copied to, or ""
	Served     []Listener // what each of Target.Probe showed last, in that order
	Warnings   []string   // what may trouble clients although it is served
	RolledBack bool       // the previous files are in place again
	// Instead is, by path, what files have whose file system does not keep the mode
	// or the owner that they were given.
	Instead map[string]Attributes
	// Shortcomings say in words what of it was not known before.
	Shortcomings []string
	Err          error
}

// String is the file that a person knows the target by.
func (t Target) String() string {
	return cmp.Or(t.Fullchain, t.Combined, t.PFX, t.JKS, t.Cert, t.Chain, t.Key)
}

// Formats names what a target can hold, as the configuration calls it.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Files yields the format and the path of each of the target's files, in the
// order of writing.
func (t Target) Files() iter.Seq2[string, string] {
	return func(yield func(format, path string) bool) {
		for _, f := range formats {
			if path := f.path(t); path != "" && !yield(f.name, path) {
				return
			}
		}
	}
}

// Paths lists the paths of Files.
func (t Target) Paths() []string {
	var paths []string
	for _, path := range t.Files() {
		paths = append(paths, path)
	}
	return paths
}

// ID is twelve hex digits that identify the target by its files and probes. It
// stays the same when a command, an owner or a password changes.
func (t Target) ID() string {
	var what strings.Builder
	for _, f := range formats {
		what.WriteString(f.keptAs + "=" + f.path(t) + "\n")
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
		return command.DefaultTimeout
	}
	return t.Timeout
}
