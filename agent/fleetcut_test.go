package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// mortal is a host's part in the fleet until its life is over: from then on nothing of
// it arrives. Each change of an order comes after a word to the fleet and before another
// one, so that a death at each of them is a death between any two effects.
type mortal struct {
	issue.Fleet
	answered bool // the last one arrives, and its answer does not

	mu   sync.Mutex
	life int // words that are left
}

var errDead = errors.New("this host is dead")

// says spends a word of a life.
func (m *mortal) says(word func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life--
	if m.life == 0 && m.answered {
		_ = word() // nobody hears the answer
	}
	if m.life <= 0 {
		return errDead
	}
	return word()
}

func (m *mortal) dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.life <= 0
}

func (m *mortal) Lease(ctx context.Context, certificate string) (l issue.Lease, err error) {
	err = m.says(func() error {
		l, err = m.Fleet.Lease(ctx, certificate)
		return err
	})
	return mortalLease{l, m}, err
}

func (m *mortal) Ledger() order.Common { return mortalLedger{m.Fleet.Ledger(), m} }

type mortalLease struct {
	issue.Lease
	host *mortal
}

func (l mortalLease) Stands(ctx context.Context) error {
	return l.host.says(func() error { return l.Lease.Stands(ctx) })
}

func (l mortalLease) Write(ctx context.Context, k issue.Known) error {
	return l.host.says(func() error { return l.Lease.Write(ctx, k) })
}

func (l mortalLease) Release(ctx context.Context) {
	if l.Lease != nil && !l.host.dead() {
		l.Lease.Release(ctx)
	}
}

type mortalLedger struct {
	order.Common
	host *mortal
}

func (l mortalLedger) Append(i order.Instance, entry []byte) (meanwhile [][]byte, err error) {
	err = l.host.says(func() error {
		meanwhile, err = l.Common.Append(i, entry)
		return err
	})
	return meanwhile, err
}

// fault 121: the holder dies before or after each word to the fleet.
func TestTheHolderOfAnOrderDiesAtEachEffect(t *testing.T) {
	step := 6
	if longTest() {
		step = 1
	} else {
		t.Log("only each sixth effect; DVAGENT_LONG_TESTS=1 tries all")
	}
	etcd := fleettest.One(t)
	for n, o := range orderings {
		for _, answered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answered %v", o.name, answered), func(t *testing.T) {
				t.Parallel()
				for life := 1 + n%step; dies(t, etcd, o, life, answered); life += step {
				}
			})
		}
	}
}

// dies lets a host die after so many words, and another one go on. It says whether it
// died before all was done.
func dies(t *testing.T, etcd *fleettest.Cluster, o ordering, life int, answered bool) (died bool) {
	t.Run(fmt.Sprint("word ", life), func(t *testing.T) {
		w := o.newWorld(t, sandbox.Options{IssueAfter: 100 * time.Millisecond})
		defer w.sandbox.Close()
		h := newHosts(t, etcd)
		a, b := h.host(w, "a"), h.host(w, "b")
		host := &mortal{Fleet: a.fleet, answered: answered, life: life}
		a.fleet = host
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for !host.dead() && a.renew(Renewal{NoWait: true}).Class != state.Served && ctx.Err() == nil {
		}
		if died = host.dead(); !died {
			return
		}
		at := a.step()
		a.fleet = host.Fleet
		a.dies()
		b.goesOnWhere(a, o)
		if t.Failed() {
			t.Logf("the host died at %s", at)
		}
	})
	return died && !t.Failed()
}
