// Package agent is the hall of the agent's rooms: it decides which certificate is
// worked on when, under the lock, and takes each through its order, its rollout
// and its hooks. The one-shot, the service and the operator's commands begin
// here. It prints nothing and parses no flags; what an order, a rollout or a
// notice consists of is the business of the packages below.
package agent

import (
	"context"
	"log/slog"

	"dvagent/agent/account"
	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/issue"
	"dvagent/agent/proof"
	"dvagent/agent/share"
	"dvagent/agent/state"
)

// Agent works on the certificates of one configuration. It keeps nothing that
// the disk or the servers do not know better, but for when to look again.
type Agent struct {
	host     *state.Host
	accounts *account.Accounts
	zones    *proof.Zones
	memory   *issue.Memory
	etcd     *fleet.Fleet             // nil: this host is alone
	fleet    issue.Fleet              // nil: this host is alone
	share    *share.Share             // nil where this host is alone
	renewals map[string]state.Renewal // of the certificates looked at so far, under the lock
	inPlace  map[string]sighting      // when targets were last looked at, by certificate; under the lock
	waiting  []string                 // the certificates that a pass handed back, in the order in which they waited; under the lock
}

// New makes an agent for a sound configuration. It contacts nothing. log and
// observe may be nil.
func New(cfg *config.Config, log *slog.Logger, observe state.Observer) (*Agent, error) {
	return NewOn(state.NewHost(cfg, log, observe))
}

// NewOn is New for a host that is not all as this one.
func NewOn(host *state.Host) (*Agent, error) {
	accounts, err := account.Open(host)
	if err != nil {
		return nil, err
	}
	a := &Agent{host: host, accounts: accounts, zones: proof.NewZones(host, accounts), memory: issue.NewMemory(),
		renewals: map[string]state.Renewal{}, inPlace: map[string]sighting{}}
	a.join()
	return a, nil
}

// join makes this host one of the fleet of its configuration. It contacts nothing.
func (a *Agent) join() {
	if a.host.Config.Fleet.Alone() {
		return
	}
	a.etcd = fleet.New(a.host.Config.Fleet)
	a.share = share.New(a.host, a.etcd)
	orders := fleet.NewOrders(a.etcd, a.share.Host, a.host.Dir.Fleet(), fleet.DefaultTiming)
	orders.Version = a.host.Version
	a.fleet = orders
}

// Close leaves the fleet: what this process had a right to is another host's at once.
func (a *Agent) Close() {
	if orders, joined := a.fleet.(*fleet.Orders); joined {
		orders.Close(context.Background())
	}
	if a.etcd != nil {
		a.etcd.Close()
	}
}

// locked takes the lock for the time of do, whose context ends when it is lost; that
// is an error.
func (a *Agent) locked(ctx context.Context, caller state.Caller, do func(context.Context) error) error {
	lock, err := a.host.Lock(ctx, caller)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	while, stop := lock.While(ctx, a.host.Nap/600)
	defer stop()
	err = do(while)
	if lost := lock.Stands(); lost != nil {
		return lost
	}
	return err
}

// underLock takes the lock and hands do a pass that has begun nothing.
func (a *Agent) underLock(ctx context.Context, caller state.Caller, scope state.Scope, do func(context.Context, *pass) error) error {
	return a.locked(ctx, caller, func(ctx context.Context) error {
		p, err := a.newPass(scope, a.newLook())
		if err != nil {
			return err
		}
		return do(ctx, p)
	})
}

// workOn takes the lock and works on what is due. Where nothing was touched since all
// was looked at, not even the ledgers are read.
func (a *Agent) workOn(ctx context.Context, agenda agenda, caller state.Caller, scope state.Scope, done func()) error {
	return a.locked(ctx, caller, func(ctx context.Context) error {
		look := a.newLook()
		begun, rests := look.allRest(ctx, agenda)
		if rests {
			done()
			return nil
		}
		p, err := a.newPass(scope, look)
		if err != nil {
			agenda.handBack(begun)
			return err
		}
		p.enter(begun, agenda)
		p.run(ctx, agenda)
		done()
		return nil
	})
}

// passed notes for people that all that is configured was looked at.
func (a *Agent) passed(by string) {
	if err := a.host.Dir.NotePassed(state.Passed{At: state.Now(), By: by}); err != nil {
		a.host.Log.Warn("status will not know that this host is attended to", "error", err)
	}
}
