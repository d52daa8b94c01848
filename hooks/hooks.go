// Package hooks runs the user's commands at events, each with the environment
// of the contract and nothing else. It decides neither when an event happens
// nor whether a failed hook is tried again.
package hooks

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/line"
)

// Hook is a command and the names of the events that it listens to.
type Hook struct {
	On      []string
	Command []string
	Timeout time.Duration // default 1 minute
}

// The events. A hook may see one twice, when the agent died while it ran.
const (
	Issued   = "issued"   // a new version is stored
	Deployed = "deployed" // every deployment of the certificate serves it
	Failed   = "failed"   // Event.Error says what did
)

// Event is what happened to a certificate. Fields without a value are given
// to hooks as empty variables.
type Event struct {
	Name                             string // Issued, Deployed or Failed
	Certificate                      string
	Domains                          []string
	VersionDir                       string // of the version concerned; "" when there is none
	Fingerprint, PreviousFingerprint string // SHA-256 of the leaves, lower-case hex
	NotAfter                         time.Time
	Error                            string
}

// Result is how one hook ended.
type Result struct {
	Hook Hook
	command.Result
}

// Run runs those of all that listen to e.Name, one after the other in their
// order. One that fails does not keep the next from running.
func Run(ctx context.Context, all []Hook, e Event) []Result {
	var results []Result
	for _, h := range all {
		if !slices.Contains(h.On, e.Name) {
			continue
		}
		c := command.Command{Argv: h.Command, Env: e.environment(), Timeout: h.Timeout}
		results = append(results, Result{h, command.Run(ctx, c)})
	}
	return results
}

// environment is the contract's: these variables beside PATH, HOME and LANG.
func (e Event) environment() []string {
	env := command.BaseEnv()
	set := func(name, text string) { env = append(env, "DVAGENT_"+name+"="+value(text)) }
	set("EVENT", e.Name)
	set("CERTIFICATE", e.Certificate)
	set("DOMAINS", strings.Join(e.Domains, " "))
	set("CERT", e.file(bundle.CertFile))
	set("CHAIN", e.file(bundle.ChainFile))
	set("FULLCHAIN", e.file(bundle.FullchainFile))
	set("KEY", e.file(bundle.KeyFile))
	set("FINGERPRINT", e.Fingerprint)
	set("PREVIOUS_FINGERPRINT", e.PreviousFingerprint)
	set("NOT_AFTER", rfc3339(e.NotAfter))
	set("ERROR", e.Error)
	return env
}

func (e Event) file(name string) string {
	if e.VersionDir == "" {
		return ""
	}
	return filepath.Join(e.VersionDir, name)
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// maxValue keeps a server's text from filling the argument space, which would
// keep the hook from starting at all.
const maxValue = 8 << 10

// value makes text that a server may have written fit for a variable.
func value(text string) string {
	text = line.Of(text)
	if len(text) <= maxValue {
		return text
	}
	return strings.ToValidUTF8(text[:maxValue], "")
}
