package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/internal/clock"
	"dvagent/internal/line"
)

// Orders is the part of the fleet that package issue knows: which host works on which
// certificate's order, what is known of it, and the ledger of instances. It is safe for
// concurrent use.
type Orders struct {
	Version string // of this dvagent, which others are told; "": it is not known

	fleet   *Fleet
	host    func() string // what this host is called
	machine string        // what the system calls it
	timing  Timing
	history *history

	mu      sync.Mutex
	session *concurrency.Session // nil until a lease is wanted
}

// NewOrders contacts nothing. host is what this host is called, and asked when that is
// wanted; path is a file of its own, in its state directory.
func NewOrders(f *Fleet, host func() string, path string, t Timing) *Orders {
	machine, _ := os.Hostname() // without one, what it is called is enough
	o := &Orders{fleet: f, host: host, machine: machine, timing: t, history: &history{path: path, now: clock.Now}}
	f.come, f.noticed = o.history.come, o.noticed
	return o
}

// Timing is how long things last.
type Timing struct {
	Lease   time.Duration // without a sign of life
	Call    time.Duration // one request, at most
	Restore time.Duration // so long no order begins after an old backup was put back
	Publish time.Duration // of what a host brought, before it is fetched again
}

// DefaultTiming is that of hosts at work.
var DefaultTiming = Timing{Lease: time.Minute, Call: 5 * time.Second, Restore: 10 * time.Minute, Publish: 2 * time.Minute}

// self is a host as others see it. A copy of its state directory on another machine is
// another host.
type self struct {
	Name    string `json:"host"`
	Machine string `json:"machine"`
}

func (o *Orders) self() self { return self{o.host(), o.machine} }

var _ issue.Fleet = (*Orders)(nil)

// Host is for issue.Fleet.
func (o *Orders) Host() string { return o.host() }

// Patience is for issue.Fleet.
func (o *Orders) Patience() time.Duration { return o.timing.Publish }

func (o *Orders) holderKey(certificate string) string {
	return o.fleet.Key("orders", certificate, "holder")
}
func (o *Orders) orderKey(certificate string) string {
	return o.fleet.Key("orders", certificate, "order")
}

// silent is the error about a call that failed.
func (o *Orders) silent(client *clientv3.Client, what string, err error) error {
	var known *Error
	if !errors.As(err, &known) {
		err = o.fleet.failed(client, what, err)
	}
	return o.history.silent(err)
}

// inSession is the lease of this process in etcd, which is kept alive while the process
// lives.
func (o *Orders) inSession(ctx context.Context, client *clientv3.Client) (*concurrency.Session, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session != nil {
		select {
		case <-o.session.Done():
		default:
			return o.session, nil
		}
	}
	granted, err := client.Grant(ctx, int64(o.timing.Lease/time.Second))
	if err != nil {
		return nil, err
	}
	o.session, err = concurrency.NewSession(client, concurrency.WithLease(granted.ID))
	return o.session, err
}

// forget drops a session that is over.
func (o *Orders) forget(session clientv3.LeaseID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session != nil && o.session.Lease() == session {
		o.session.Orphan()
		o.session = nil
	}
}

// Close gives back all that this process has a right to.
func (o *Orders) Close(ctx context.Context) {
	client, err := o.fleet.Client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.timing.Call)
	defer cancel()
	o.endSession(ctx, client)
}

// endSession ends all leases of this process.
func (o *Orders) endSession(ctx context.Context, client *clientv3.Client) {
	o.mu.Lock()
	session := o.session
	o.session = nil
	o.mu.Unlock()
	if session != nil {
		session.Orphan()
		_, _ = client.Revoke(ctx, session.Lease()) // else it ends by itself
	}
}

// isSession says that a lease is still that of this process.
func (o *Orders) isSession(lease clientv3.LeaseID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session != nil && o.session.Lease() == lease
}

// Lease is for issue.Fleet. What an earlier process of this host held is taken away from
// it: the state directory has one agent at work at a time.
func (o *Orders) Lease(ctx context.Context, certificate string) (issue.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timing.Call)
	defer cancel()
	client, err := o.fleet.Client()
	if err != nil {
		return nil, o.silent(client, "take the lease of an order", err)
	}
	for range 3 {
		l, err := o.tryLease(ctx, client, certificate)
		switch {
		case errors.Is(err, rpctypes.ErrLeaseNotFound): // the session is over, and nobody has said so yet
			o.forget(l.session)
		case errors.Is(err, errAgain):
		case err != nil:
			return nil, err
		default:
			return l, nil
		}
	}
	return nil, &issue.ElsewhereError{Again: o.again()}
}

// errAgain says that the lease was taken away from an earlier process of this host.
var errAgain = errors.New("the lease can be taken now")

func (o *Orders) tryLease(ctx context.Context, client *clientv3.Client, certificate string) (*lease, error) {
	l := &lease{orders: o, client: client, certificate: certificate}
	session, err := o.inSession(ctx, client)
	if err != nil {
		return l, o.silent(client, "take the lease of an order", err)
	}
	l.session = session.Lease()
	me, err := json.Marshal(o.self())
	if err != nil {
		return l, err
	}
	key, read := l.key(), clientv3.OpGet(o.orderKey(certificate))
	before := o.history.come()
	resp, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(me), clientv3.WithLease(l.session)), read).Else(clientv3.OpGet(key), read).Commit()
	if err != nil {
		return l, o.silent(client, "take the lease of an order", err)
	}
	if err := o.saw(ctx, client, before, positionOf(resp.Header)); err != nil {
		return l, err
	}
	if !o.isSession(l.session) { // etcd turned out to be an old backup
		return l, errAgain
	}
	if l.created = resp.Header.Revision; !resp.Succeeded {
		if err := l.taken(ctx, resp.Responses[0].GetResponseRange().Kvs[0]); err != nil {
			return l, err
		}
	}
	if kvs := resp.Responses[1].GetResponseRange().Kvs; len(kvs) > 0 {
		l.modified = kvs[0].ModRevision
		if l.known, err = o.decode(certificate, kvs[0].Value); err != nil { // another host may be able to read it
			l.Release(ctx)
		}
	}
	return l, err
}

// taken makes a key that is there already this process's, or says whose it is.
func (l *lease) taken(ctx context.Context, kv *mvccpb.KeyValue) error {
	holder := holderOf(kv.Value) // what cannot be read is another's
	switch {
	case clientv3.LeaseID(kv.Lease) == l.session:
		l.created = kv.CreateRevision
		return nil
	case holder == l.orders.self():
		return cmp.Or(l.orders.drop(ctx, l.client, l.key(), kv.CreateRevision), errAgain)
	}
	return &issue.ElsewhereError{Host: holder.Name, Again: l.orders.again()}
}

// drop deletes a key, unless it is another one by now.
func (o *Orders) drop(ctx context.Context, client *clientv3.Client, key string, created int64) error {
	_, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", created)).Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		return o.silent(client, "take back the lease of an order", err)
	}
	return nil
}

// Known is for issue.Fleet.
func (o *Orders) Known(ctx context.Context, certificate string) (issue.Known, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timing.Call)
	defer cancel()
	client, err := o.fleet.Client()
	if err != nil {
		return issue.Known{}, o.silent(client, "read what is known of an order", err)
	}
	before := o.history.come()
	resp, err := client.Get(ctx, o.orderKey(certificate))
	if err != nil {
		return issue.Known{}, o.silent(client, "read what is known of an order", err)
	}
	if err := o.saw(ctx, client, before, positionOf(resp.Header)); err != nil || len(resp.Kvs) == 0 {
		return issue.Known{}, err
	}
	return o.decode(certificate, resp.Kvs[0].Value)
}

// Serves is for issue.Fleet.
func (o *Orders) Serves(ctx context.Context, certificate string) (string, error) {
	hosts, err := o.fleet.Hosts(ctx)
	for _, h := range hosts {
		if h.Name != o.host() && h.Versions[certificate] != "" {
			return h.Name, err
		}
	}
	return "", err
}

// written is what stands in etcd of an order.
type written struct {
	Host    string         `json:"host"`
	Facts   []order.Fact   `json:"facts"`
	Key     string         `json:"sealed_key,omitempty"`
	Brought *issue.Brought `json:"brought,omitempty"`
}

// sealedAs is what the key of an order is sealed as.
func sealedAs(certificate string) string { return "order " + certificate }

func (o *Orders) encode(certificate string, k issue.Known) ([]byte, error) {
	w := written{Host: o.host(), Facts: k.Facts, Brought: k.Brought}
	if k.Key != nil {
		sealed, err := o.fleet.Seal(sealedAs(certificate), k.Key)
		if err != nil {
			return nil, fmt.Errorf("seal the key of an order: %w", err)
		}
		w.Key = sealed
	}
	return json.Marshal(w)
}

func (o *Orders) decode(certificate string, value []byte) (issue.Known, error) {
	var w written
	if err := json.Unmarshal(value, &w); err != nil {
		return issue.Known{}, fmt.Errorf("what the fleet knows of the order of %s cannot be read: %w", certificate, err)
	}
	k := issue.Known{Host: line.Short(w.Host, mostName), Facts: w.Facts, Brought: w.Brought}
	if b := k.Brought; b != nil && !isVersion().MatchString(b.Version) {
		return issue.Known{}, fmt.Errorf("what the fleet knows of the order of %s cannot be read: %.80q is no version", certificate, b.Version)
	}
	if w.Key == "" {
		return k, nil
	}
	key, err := o.fleet.Open(sealedAs(certificate), w.Key)
	if err != nil {
		return k, fmt.Errorf("the key of the order of %s, which host %q sealed, cannot be opened: %w", certificate, k.Host, err)
	}
	k.Key = key
	return k, nil
}

// Holders are the hosts that work on orders now, by certificate.
func (f *Fleet) Holders(ctx context.Context) (map[string]string, error) {
	entries, _, err := f.ReadAll(ctx, "orders/")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, entry := range entries {
		if name, holds := strings.CutSuffix(strings.TrimPrefix(entry.Key, "orders/"), "/holder"); holds {
			all[name] = cmp.Or(holderOf(entry.Value).Name, "?")
		}
	}
	return all, nil
}
