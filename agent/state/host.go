// Package state is the common ground of the agent's rooms: the layout of the
// state directory and its lock, what the disk says of one certificate, when its
// renewal is due, how its work ended and when it is tried again. It contacts
// nothing, and decides nothing beyond what the clock and the disk decide.
package state

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"dvagent/agent/config"
	"dvagent/internal/journal"
	"dvagent/internal/spelling"
)

// Host is what every room of the agent is given.
type Host struct {
	Config  *config.Config
	Dir     Dir
	Log     *slog.Logger
	Observe Observer
	Roots   *x509.CertPool // that certificates of others are trusted by; nil: this host's
	Version string         // of this dvagent; "": it is not known
	Place   string         // where this host's certificates begin among slots that are alike: hosts of one account have others

	Nap       time.Duration // how long a service rests at most before it looks at the clock again; and 600 times as long as a pass goes without a look at its lock
	Unwatched bool          // files of targets that someone changes are found by the next look alone

	lock      atomic.Pointer[Lock] // the last one that was taken
	heartbeat heartbeat
	mu        sync.Mutex
	damaged   map[journal.Damage]bool // that was told
	said      map[string]bool         // by WarnOnce
}

// NewHost fills in what may be left out: a log and an observer.
func NewHost(cfg *config.Config, log *slog.Logger, observe Observer) *Host {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if observe == nil {
		observe = func(Event) {}
	}
	name, _ := os.Hostname() // without one the directory tells hosts apart
	return &Host{Config: cfg, Nap: time.Minute, Dir: Dir(cfg.StateDir), Place: name + " " + cfg.StateDir, Log: log, Observe: observe,
		heartbeat: heartbeat{begun: time.Now()}, damaged: map[journal.Damage]bool{}, said: map[string]bool{}}
}

// Lock is Dir.Lock.
func (h *Host) Lock(ctx context.Context, c Caller) (*Lock, error) {
	lock, err := h.Dir.Lock(ctx, c)
	if err == nil {
		h.lock.Store(lock)
	}
	return lock, err
}

// Locked is ErrLost when the lock that was taken is none any more. It is asked right
// before what must not be done twice.
func (h *Host) Locked() error {
	if lock := h.lock.Load(); lock != nil {
		return lock.Stands()
	}
	return nil
}

// Say tells the observer what has happened.
func (h *Host) Say(certificate, step, text string) {
	h.Observe(Progress{At: Now(), Certificate: certificate, Step: step, Text: text})
}

// WarnOnce warns of something about a certificate, or "" for all of them, once in
// this process.
func (h *Host) WarnOnce(certificate, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key := certificate + "\x00" + text; !h.said[key] {
		h.said[key] = true
		log := h.Log
		if certificate != "" {
			log = log.With("certificate", certificate)
		}
		log.Warn(text)
	}
}

// Alive notes that a small piece of work has ended: nothing hangs.
func (h *Host) Alive() {
	h.heartbeat.note()
	h.Observe(Alive{})
}

// Idle is how long nothing has been alive.
func (h *Host) Idle() time.Duration { return h.heartbeat.idle() }

// Selected checks names given by an operator; none stands for every
// certificate. The error is an *UnknownError.
func (h *Host) Selected(names []string) (map[string]bool, error) {
	set := make(map[string]bool, cmp.Or(len(names), len(h.Config.Certificates)))
	for _, name := range names {
		if _, known := h.Config.Certificate(name); !known {
			return nil, h.Unknown(name)
		}
		set[name] = true
	}
	if len(names) == 0 {
		for _, certificate := range h.Config.Certificates {
			set[certificate.Name] = true
		}
	}
	return set, nil
}

// UnknownError says that the configuration has no certificate of that name.
type UnknownError struct {
	Name   string
	Likely string // the one that was likely meant, or ""
}

func (e *UnknownError) Error() string { return fmt.Sprintf("no certificate is named %q", e.Name) }

// Misuse is for IsMisuse.
func (e *UnknownError) Misuse() {}

// OperatorHint is for package hint.
func (e *UnknownError) OperatorHint() string {
	if e.Likely != "" {
		return fmt.Sprintf("did you mean %s?", e.Likely)
	}
	return "dvagent status lists them"
}

// Unknown is the error about a name that is none of a configured certificate.
func (h *Host) Unknown(name string) *UnknownError {
	var names []string
	for _, certificate := range h.Config.Certificates {
		names = append(names, certificate.Name)
	}
	return &UnknownError{Name: name, Likely: spelling.Nearest(name, names)}
}

// Contained makes an error of a panic, so that one certificate's work leaves
// the others alone.
func (h *Host) Contained(certificate string, do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			h.Log.Error("panic", "certificate", certificate, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = fmt.Errorf("an error in dvagent itself: %v", cause)
		}
	}()
	return do()
}

// Readable reads, and sets a file aside that a later dvagent wrote: what it
// said is found out again from the other files and from the server.
func (h *Host) Readable(read func() error) error {
	for {
		err := read()
		var later *journal.LaterError
		if !errors.As(err, &later) {
			return err
		}
		aside, err := journal.SetAside(later.Path, Now())
		if err != nil {
			return err
		}
		h.Log.Warn("set a journal aside that a later dvagent wrote", "file", aside)
	}
}

// Warn says once of each file that lines of it cannot be read: one of them may
// have told of a submission.
func (h *Host) Warn(damage ...journal.Damage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range damage {
		if d.Lines > 0 && !h.damaged[d] {
			h.damaged[d] = true
			h.Log.Warn("a journal has lines that cannot be read", "file", d.File, "lines", d.Lines)
		}
	}
}
