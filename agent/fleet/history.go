package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/openat"
	"dvagent/internal/words"
)

// history is what this host remembers of etcd: how far it had come, and since when it
// does not answer.
type history struct {
	path string
	now  func() time.Time

	mu      sync.Mutex
	read    bool
	seen    remembered
	written time.Time // when the file was
}

type remembered struct {
	position
	SilentSince time.Time `json:"silent_since,omitzero"`
}

// position is how far etcd has come. Neither number ever falls, until somebody puts an old
// backup back. That may have the revision jump ahead (etcdctl's --bump-revision), but the
// terms, which count the elections of leaders, begin anew then.
type position struct {
	Revision int64  `json:"revision"`
	Term     uint64 `json:"term,omitzero"` // 0: an older dvagent did not remember it
}

func positionOf(h *etcdserverpb.ResponseHeader) position { return position{h.Revision, h.RaftTerm} }

// behind says that etcd has been further.
func (p position) behind(before position) bool {
	return p.Revision < before.Revision || p.Term != 0 && p.Term < before.Term // 0: that member does not know it yet
}

// recall reads what an earlier process remembered. What cannot be read is not known: the
// other hosts remember, too. The mutex must be held.
func (h *history) recall() {
	if h.read {
		return
	}
	h.read = true
	file, err := openat.ReadFile(h.path, mostFile)
	if err == nil {
		err = json.Unmarshal(file.Data, &h.seen)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.seen = remembered{}
	}
}

// keepEvery is how often the revision is written down at most.
const keepEvery = time.Minute

// keep writes down what is remembered. The mutex must be held.
func (h *history) keep() {
	h.written = h.now()
	text, err := json.Marshal(h.seen)
	if err == nil {
		err = atomicfile.DiscardAt(h.path)
	}
	if err == nil {
		_ = atomicfile.Write(atomicfile.File{Path: h.path, Data: append(text, '\n'), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}) // the next one may
	}
}

// come is how far etcd had come as far as is known. It is asked before a call: answers of
// calls that are made at once come in any order.
func (h *history) come() position {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recall()
	return h.seen.position
}

// advance notes how far etcd has come.
func (h *history) advance(before, now position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recall()
	changed := now.behind(before) || !h.seen.SilentSince.IsZero() || h.now().Sub(h.written).Abs() > keepEvery
	h.seen = remembered{position: further(h.seen.position, before, now)}
	if changed {
		h.keep()
	}
}

// further is how far etcd has come: back where a call that was made later answers less.
func further(known, before, now position) position {
	if now.behind(before) {
		return now
	}
	return position{max(known.Revision, now.Revision), max(known.Term, now.Term)}
}

// remember is advance in memory alone.
func (h *history) remember(before, now position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.position = further(h.seen.position, before, now)
}

// hold writes down how far etcd has come, now that something of worth was told to it.
func (h *history) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recall()
	h.keep()
}

// silent is the error about etcd not answering, or not as it should.
func (h *history) silent(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recall()
	if h.seen.SilentSince.IsZero() {
		h.seen.SilentSince = h.now()
		h.keep()
	}
	return &silentError{err, h.seen.SilentSince, h.now().Sub(h.seen.SilentSince) > toldAfter}
}

// toldAfter is how long etcd may be silent while something is to be ordered, before
// people are told.
const toldAfter = time.Hour

// silentError says that etcd does not do what is asked of it.
type silentError struct {
	err   error
	since time.Time
	told  bool
}

func (e *silentError) Error() string {
	return fmt.Sprintf("%s; it has not done what is asked of it since %s", line.Of(e.err.Error()), words.Minute(e.since))
}

func (e *silentError) Unwrap() error { return e.err }

// Transient is for state.Transient: what lasts is told.
func (e *silentError) Transient() bool { return !e.told }

// OperatorHint is for package hint.
func (e *silentError) OperatorHint() string {
	return strings.TrimPrefix(hint.Of(e.err)+"; no order begins or goes on meanwhile; to order all the same, where no other host can: dvagent renew --alone NAME", "; ")
}

// restoredError says that etcd knows less than it did.
type restoredError struct{ settles time.Duration }

func (e *restoredError) Error() string {
	return "etcd holds an older state than it did: no order begins until the hosts had the time to tell what they know"
}

// Transient is for state.Transient.
func (e *restoredError) Transient() bool { return true }

// Cause is for state.Cause.
func (e *restoredError) Cause() string { return "etcd was restored" }

// OperatorHint is for package hint.
func (e *restoredError) OperatorHint() string {
	return "nothing: orders begin again after " + words.Span(e.settles)
}

func (o *Orders) restoredKey() string { return o.fleet.Key("restored") }

// saw notes how far etcd has come, as an order is worked on. Where it had come further
// before, somebody has put an old backup back: for a while nobody begins an order.
func (o *Orders) saw(ctx context.Context, client *clientv3.Client, before, now position) error {
	if err := o.tellRestored(ctx, client, before, now); err != nil {
		return o.silent(client, "note that etcd was restored", err)
	}
	o.history.advance(before, now)
	return nil
}

// noticed is saw for whatever else is read, which may be beside the work of another
// process: nothing is written on this host.
func (o *Orders) noticed(ctx context.Context, client *clientv3.Client, before, now position) {
	if o.tellRestored(ctx, client, before, now) == nil { // else the next one does
		o.history.remember(before, now)
	}
}

// tellRestored tells all hosts where etcd is behind what it was. What this process had
// given back since then stands there again, and would for as long as it lives: it is given
// back with all that it has a right to.
func (o *Orders) tellRestored(ctx context.Context, client *clientv3.Client, before, now position) error {
	if !now.behind(before) {
		return nil
	}
	granted, err := client.Grant(ctx, int64(o.timing.Restore/time.Second))
	if err == nil {
		_, err = client.Put(ctx, o.restoredKey(), o.host(), clientv3.WithLease(granted.ID))
	}
	if err == nil {
		o.endSession(ctx, client)
	}
	return err
}
