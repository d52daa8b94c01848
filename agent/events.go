package agent

import (
	"context"
	"time"

	"dvagent/hooks"
	"dvagent/internal/bundle"
)

// hook tells the hooks of an event in the order's certificate.
func (w *work) hook(ctx context.Context, event, previous string, cause error) {
	w.hookFor(ctx, w.standing, event, previous, cause)
}

// hookFor runs the hooks that listen to the event. A hook that fails is
// reported and holds nothing up.
func (p *pass) hookFor(ctx context.Context, s standing, event, previous string, cause error) {
	told := hooks.Event{Name: event, Certificate: s.Name, Domains: s.Domains}
	if s.current != "" {
		told.VersionDir = s.store.Path(s.current)
		if leaf, err := bundle.LoadLeaf(told.VersionDir); err == nil {
			told.Fingerprint, told.NotAfter = bundle.Fingerprint(leaf), leaf.NotAfter
		}
	}
	if previous != "" && previous != s.current {
		if leaf, err := bundle.LoadLeaf(s.store.Path(previous)); err == nil {
			told.PreviousFingerprint = bundle.Fingerprint(leaf)
		}
	}
	if cause != nil {
		told.Error = cause.Error()
	}
	for _, result := range hooks.Run(ctx, p.config.Hooks, told) {
		if result.Err != nil {
			p.log.Warn("hook failed", "certificate", s.Name, "event", event, "command", result.Hook.Command[0],
				"error", result.Err, "output", result.Output, "took", result.Duration.Round(time.Millisecond))
		}
	}
}
