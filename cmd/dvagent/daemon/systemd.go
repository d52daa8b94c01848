package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"dvagent/internal/words"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"dvagent/agent/state"
	"dvagent/internal/line"
)

// systemd is told how the service is. It hears nothing where it did not start
// the service with Type=notify.
type systemd struct {
	log   *slog.Logger
	begun time.Time
	every time.Duration // between two signs of life; 0: none is wanted
	fed   atomic.Int64  // when the last one was sent, in nanoseconds since begun
}

// restLimit is the shortest WatchdogSec that a resting service keeps.
const restLimit = 2 * time.Minute

func newSystemd(log *slog.Logger) *systemd {
	limit, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of systemd is not fed", "error", err)
	}
	if limit > 0 && limit < restLimit {
		log.Warn("WatchdogSec is too short for a service that rests a minute at a time", "is", limit, "least", restLimit)
	}
	return &systemd{log: log, begun: time.Now(), every: limit / 4}
}

// tell sends lines as sd_notify(3) describes them.
func (s *systemd) tell(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Warn("systemd was not told", "what", lines[0], "error", err)
	}
}

func (s *systemd) ready()     { s.tell(sd.SdNotifyReady) }
func (s *systemd) reloading() { s.tell(sd.SdNotifyReloading, sd.SdNotifyMonotonicUsec()) }
func (s *systemd) stopping()  { s.tell(sd.SdNotifyStopping) }

// status is what `systemctl status` shows.
func (s *systemd) status(format string, args ...any) {
	s.tell("STATUS=" + line.Of(fmt.Sprintf(format, args...)))
}

// alive feeds the watchdog. It is called when the scheduler has moved or a slow
// command runs within its limit, and at no other time: a service that hangs is
// to be killed.
func (s *systemd) alive() {
	now, last := time.Since(s.begun), s.fed.Load() // no clock that is set counts
	if s.every > 0 && now-time.Duration(last) >= s.every && s.fed.CompareAndSwap(last, int64(now)) {
		s.tell(sd.SdNotifyWatchdog)
	}
}

// observe is for state.Observer.
func (s *systemd) observe(e state.Event) {
	switch e := e.(type) {
	case state.Alive:
		s.alive()
	case state.Rest:
		s.resting(e)
	case state.Progress:
		s.progress(e)
	}
}

func (s *systemd) progress(p state.Progress) {
	switch {
	case p.Err != nil:
		s.status("%s: failed: %s", p.Certificate, p.Err)
	case p.Waiting:
		s.status("%s: waits for %s", p.Certificate, p.Text)
	default:
		s.status("%s: %s", p.Certificate, p.Text)
	}
}

func (s *systemd) resting(r state.Rest) {
	until := words.Minute(r.Until)
	if len(r.Open) == 0 {
		s.status("nothing to do until %s", until)
		return
	}
	s.status("next look at %s; not done: %s", until, strings.Join(r.Open, ", "))
}
