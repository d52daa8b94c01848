// Package upload puts the pairs of certificates into their accounts, where CDN,
// ALB and others take them from. It decides what is uploaded when and under
// which name, looks before it sends, and writes down what it does. It installs
// nothing and knows no API: what an account keeps is told by its Vault.
package upload

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// Uploads are made during one pass, under the lock. They are safe for concurrent
// use.
type Uploads struct {
	host  *state.Host
	scope state.Scope
	open  func(ctx context.Context, account string) (Vault, error)

	mu    sync.Mutex
	lists map[string]func() ([]Entry, error) // by account
}

// New makes the uploads of a pass. open opens the vault of an account.
func New(host *state.Host, scope state.Scope, open func(context.Context, string) (Vault, error)) *Uploads {
	return &Uploads{host: host, scope: scope, open: open, lists: map[string]func() ([]Entry, error){}}
}

// Upload brings the current version into its account where that is owed, and
// calls nothing where it is not. One that fails is owed like a deployment.
func (u *Uploads) Upload(ctx context.Context, s state.Snapshot) state.Outcome {
	outcome := state.Outcome{Certificate: s.Config.Name}
	if !s.UploadOwed() {
		return outcome
	}
	if f := s.Rollout.Targets[rollout.Upload].Failure; f.Text != "" && u.scope.HeldUp(f.At, f.Until) {
		return owed(s, state.Recall(f.Text, f.Hint, f.Cause), f)
	}
	err := u.bring(ctx, s)
	switch {
	case ctx.Err() != nil && err != nil:
		outcome.Class, outcome.Step, outcome.Waiting = state.Pending, state.StepUpload, state.Interrupted
		return outcome
	case err != nil:
		return u.owe(s, err)
	}
	outcome.Did = state.Uploaded
	return outcome
}

// bring uploads the current version, with a fact before and after.
func (u *Uploads) bring(ctx context.Context, s state.Snapshot) error {
	defer u.host.Alive()
	b, err := bundle.Load(s.Store.Path(s.Current))
	if err != nil {
		return err
	}
	vault, err := u.open(ctx, s.Config.Account)
	if err != nil {
		return err
	}
	place := rollout.Place{Account: s.Config.Account}
	p := pair{certificate: s.Config.Name, bundle: b, listed: u.listed(ctx, s.Config.Account, vault),
		begin: func(name string) error {
			place.Name = name
			return s.Rollout.Uploading(s.Current, place)
		},
	}
	kept, found, err := p.bring(ctx, vault)
	if err != nil {
		return err
	}
	place.Name, place.ID, place.Identifier = kept.Name, kept.ID, kept.Identifier
	if err := s.Rollout.Uploaded(s.Current, place); err != nil {
		return err
	}
	text := fmt.Sprintf("uploaded as certificate %d of the account, named %s", kept.ID, kept.Name)
	if found {
		text = fmt.Sprintf("the account has it already, as certificate %d, named %s", kept.ID, kept.Name)
	}
	u.host.Say(s.Config.Name, state.StepUpload, text)
	return nil
}

// listed is what the account keeps, read once for the certificates of a pass, and
// again where that failed.
func (u *Uploads) listed(ctx context.Context, account string, vault Vault) func() ([]Entry, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lists[account] == nil {
		u.lists[account] = sync.OnceValues(func() ([]Entry, error) {
			entries, err := vault.List(ctx)
			if err != nil {
				u.forget(account)
			}
			return entries, err
		})
	}
	return u.lists[account]
}

func (u *Uploads) forget(account string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.lists, account)
}

// owe records why an upload failed, and when it is tried again.
func (u *Uploads) owe(s state.Snapshot, cause error) state.Outcome {
	known := s.Rollout.Targets[rollout.Upload]
	f := rollout.Failure{Text: cause.Error(), Hint: hint.Of(cause), Cause: state.Cause(cause),
		Until: state.Now().Add(state.Backoff(known.Failures, cause))}
	outcome := owed(s, cause, f)
	outcome.News = !outcome.Transient && state.News(f.Cause, cmp.Or(known.Failure.Cause, known.Failure.Text))
	u.host.Observe(state.Progress{At: state.Now(), Certificate: s.Config.Name, Step: state.StepUpload, Err: outcome.Err})
	return outcome.AndFailed(s.Rollout.Fail(rollout.Upload, s.Current, f))
}

func owed(s state.Snapshot, cause error, f rollout.Failure) state.Outcome {
	return state.Outcome{Certificate: s.Config.Name, Class: state.NotServed, Step: state.StepUpload, Next: f.Until,
		Err:       hint.Add(cause, cmp.Or(hint.Of(cause), "the upload is tried again by itself, or by dvagent renew")),
		Transient: state.Transient(cause)}
}
