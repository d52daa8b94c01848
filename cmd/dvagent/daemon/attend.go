package daemon

import (
	"context"
	"errors"
	"time"

	"dvagent/agent/state"
)

// attendEvery is how often it is looked whether the state directory is still there.
const attendEvery = 2 * time.Second

// attend answers other commands, and holds the right to be the service, until ctx
// is done. Where the state directory is taken away it takes both anew; the error says
// that another service was sooner.
func (d *daemon) attend(ctx context.Context, lock *state.Lock) error {
	dir := state.Dir(d.config.StateDir)
	for {
		while, stop := lock.While(ctx, attendEvery)
		if err := answer(while, dir, d.service); err != nil {
			d.log.Warn("dvagent status cannot ask this service", "error", err)
		}
		<-while.Done()
		stop()
		lock.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		d.log.Warn("the state directory was taken away; it is made again", "state_dir", d.config.StateDir)
		var err error
		if lock, err = d.lockAgain(ctx, dir); err != nil || lock == nil {
			return err
		}
	}
}

// lockAgain takes the right to be the service as soon as that is possible; nil when
// ctx is done before.
func (d *daemon) lockAgain(ctx context.Context, dir state.Dir) (*state.Lock, error) {
	for said := false; ; said = true {
		lock, err := dir.LockService(ctx, d.options.Caller)
		var held *state.HeldError
		if err == nil || errors.As(err, &held) {
			return lock, err
		}
		if !said {
			d.log.Error("the state directory cannot be made", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(attendEvery):
		}
	}
}
