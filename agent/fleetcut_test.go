package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// interrupted is a host's part in the fleet, to which something happens at its n-th word.
// Each change of an order comes after a word to the fleet and before another one, so that
// what happens at each of them happens between any two effects.
type interrupted struct {
	issue.Fleet
	at func(word func() error) error

	mu sync.Mutex
	n  int // words that are left
}

// says is a word.
func (m *interrupted) says(word func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n--; m.n == 0 {
		return m.at(word)
	}
	if m.n < 0 && m.at == nil {
		return errDead
	}
	return word()
}

// over says that it has happened.
func (m *interrupted) over() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n <= 0
}

var errDead = errors.New("this host is dead")

// mortal is a host that dies at its n-th word, which arrives or does not, and is not
// answered in any case.
func mortal(f issue.Fleet, n int, arrives bool) *interrupted {
	m := &interrupted{Fleet: f, n: n}
	m.at = func(word func() error) error {
		m.at = nil
		if arrives {
			_ = word() // nobody hears the answer
		}
		return errDead
	}
	return m
}

func (m *interrupted) Lease(ctx context.Context, certificate string) (l issue.Lease, err error) {
	err = m.says(func() error {
		l, err = m.Fleet.Lease(ctx, certificate)
		return err
	})
	return leaseOf{l, m}, err
}

func (m *interrupted) Ledger() order.Common { return ledgerOf{m.Fleet.Ledger(), m} }

type leaseOf struct {
	issue.Lease
	host *interrupted
}

func (l leaseOf) Stands(ctx context.Context) error {
	return l.host.says(func() error { return l.Lease.Stands(ctx) })
}

func (l leaseOf) Write(ctx context.Context, k issue.Known) error {
	return l.host.says(func() error { return l.Lease.Write(ctx, k) })
}

func (l leaseOf) Release(ctx context.Context) {
	if l.Lease != nil && l.host.says(func() error { return nil }) == nil {
		l.Lease.Release(ctx)
	}
}

type ledgerOf struct {
	order.Common
	host *interrupted
}

func (l ledgerOf) Write(i order.Instance, value []byte) (written bool, meanwhile []byte, err error) {
	err = l.host.says(func() error {
		written, meanwhile, err = l.Common.Write(i, value)
		return err
	})
	return written && err == nil, meanwhile, err
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
		host := mortal(a.fleet, life, answered)
		a.fleet = host
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for !host.over() && a.renew(Renewal{NoWait: true}).Class != state.Served && ctx.Err() == nil {
		}
		if died = host.over(); !died {
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

// fault 120: the holder sleeps before each word to the fleet for longer than its lease,
// and another host brings the certificate meanwhile.
func TestAHolderThatWakesUpTooLateChangesNothing(t *testing.T) {
	step := 5
	if longTest() {
		step = 1
	} else {
		t.Log("only each fifth word; DVAGENT_LONG_TESTS=1 tries all")
	}
	etcd := fleettest.One(t)
	for n, o := range orderings {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for word := 2 + n%step; sleeps(t, etcd, o, word); word += step {
			}
		})
	}
}

// changes are the calls that change something, but for the removal of a record that the
// host wrote itself: it may stand there still, as far as that host knows.
var changes = []string{"CreateDVOrderAudit", "UpdateInstance", "ApplyCertificate", "CreateCertificateForPackageRequest", "AddDomainRecord"}

// changing says that a call is one of them.
func changing(action string) bool { return slices.Contains(changes, action) }

func sleeps(t *testing.T, etcd *fleettest.Cluster, o ordering, word int) (slept bool) {
	t.Run(fmt.Sprint("word ", word), func(t *testing.T) {
		w := o.newWorld(t, sandbox.Options{IssueAfter: 100 * time.Millisecond})
		defer w.sandbox.Close()
		h := newHosts(t, etcd)
		a, b := h.host(w, "a"), h.host(w, "b")
		whole := a.fleet
		var at order.Step
		host := &interrupted{Fleet: a.fleet, n: word, at: func(word func() error) error {
			at = a.step()
			whole.(*fleet.Orders).Close(context.Background()) // as time does
			b.renew(Renewal{Timeout: 20 * time.Second})
			w.sandbox.ClearHistory()
			return word()
		}}
		a.fleet = host
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for !host.over() && a.renew(Renewal{NoWait: true}).Class != state.Served && ctx.Err() == nil {
		}
		if slept = host.over(); !slept {
			return
		}
		a.fleet = whole
		calls := w.calls()
		for action := range calls {
			if changing(action) {
				t.Errorf("it called %s", action)
			}
		}
		if b.step() == order.Done {
			b.knowsIt(a, o)
		}
		if t.Failed() {
			t.Logf("the host slept at %s; called %v", at, calls)
		}
	})
	return slept && !t.Failed()
}
