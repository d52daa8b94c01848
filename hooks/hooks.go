// Package hooks runs the user's commands at events, each with the documented
// environment and nothing else. It decides neither when an event happens nor
// whether a failed hook is run again.
package hooks

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/line"
)

// Hook is a command and the events that it listens to.
type Hook struct {
	On      []string
	Command []string
	Timeout time.Duration // default command.DefaultTimeout
}

// Limit is how long the hook may run.
func (h Hook) Limit() time.Duration { return cmp.Or(h.Timeout, command.DefaultTimeout) }

// The events. A hook may see one twice if the agent died while it ran.
const (
	Issued   = "issued"   // a new version is stored
	Deployed = "deployed" // every deployment of the certificate serves it
	Failed   = "failed"   // Event.Error says what failed
)

// Events are all of them.
var Events = []string{Issued, Deployed, Failed}

// Event is what happened to a certificate. Hooks get an empty variable for a
// field without a value.
type Event struct {
	Name                             string // Issued, Deployed or Failed
	Certificate                      string
	Domains                          []string
	VersionDir                       string // of the version that it is about; "" if there is none
	Fingerprint, PreviousFingerprint string // SHA-256 of the leaves, lower-case hex
	NotAfter                         time.Time
	CertID, CertIdentifier           string // of the version in CAS, where it was uploaded
	Error                            string
}

// Run runs those of all that listen to e.Name, one after the other in their
// order and each in its shift, and returns how each ended. A failure does not keep
// the next from running.
func Run(ctx context.Context, shifts *command.Shifts, all []Hook, e Event) []command.Result {
	var results []command.Result
	for _, h := range all {
		if !slices.Contains(h.On, e.Name) {
			continue
		}
		c := command.Command{Argv: h.Command, Env: e.environment(), Timeout: h.Limit()}
		results = append(results, shifts.Run(ctx, c))
	}
	return results
}

// environment is as documented: these variables, PATH, HOME and LANG.
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
	set("CERT_ID", e.CertID)
	set("CERT_IDENTIFIER", e.CertIdentifier)
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

// maxValue keeps a server's text from growing so long that the kernel refuses to
// start the hook.
const maxValue = 8 << 10

// value makes text fit for a variable, since a server may have written it.
func value(text string) string {
	text = line.Of(text)
	if len(text) <= maxValue {
		return text
	}
	return strings.ToValidUTF8(text[:maxValue], "")
}
