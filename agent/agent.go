// Package agent decides when which order is placed and which deployment is
// made, and in what sequence: the plan, the steps of an order, the rollout of
// its bundle, the one-shot and the service. It prints nothing and parses no
// flags; what DNS, deployments and hooks consist of is the business of the
// packages below it.
package agent

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dvagent/agent/account"
	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// Agent works on the certificates of one configuration. It keeps nothing that
// the disk or the servers do not know better, but for when to look again.
type Agent struct {
	config  *config.Config
	log     *slog.Logger
	observe func(Progress)
	ordered func(change string)
	spare   func(account string, instances int)
	moved   func()
	resting func(Rest)
	prover  *dnsvalidate.Prover

	accounts *account.Accounts

	mu    sync.Mutex
	looks map[string]*looks // by certificate

	sweepLater map[order.Record]Outcome // records that could not be removed, under the lock
	renewals   map[string]time.Time     // of the certificates looked at so far, under the lock

	zonesMu sync.Mutex
	zones   map[string]*zoneList // by account
}

// Options are what an Agent tells its surroundings through.
type Options struct {
	Log      *slog.Logger
	Progress func(Progress) // called at each change of a step; may be nil
	Call     func(account string, call aliyun.Call)
	Order    func(change string)                 // OrderOpened, or the order.Outcome that one ended with; may be nil
	Spare    func(account string, instances int) // paid DV instances that nobody claimed, as just listed; may be nil
	Moved    func()                              // called at each small piece of work that ends, from any goroutine; may be nil
	Resting  func(Rest)                          // called by a Service that has nothing to do now, again each minute; may be nil
}

// Rest is what a Service knows when it has nothing to do.
type Rest struct {
	Until time.Time // when it looks again
	Open  []string  // certificates that are not served, or have an order open
}

// OrderOpened is the change of an order that begins.
const OrderOpened = "opened"

// Progress is one change in the work on a certificate.
type Progress struct {
	At          time.Time
	Certificate string
	Step        string // a step of the order, "deploy", or "" for what is no step
	Text        string // what happened, or what is waited for
	Waiting     bool
	Begun       bool // what happened takes its time, and more is told of it
	Emergency   bool // the certificate ends soon
	Err         error
}

// New makes an agent for a sound configuration. It contacts nothing.
func New(cfg *config.Config, options Options) (*Agent, error) {
	a := &Agent{
		config:  cfg,
		log:     cmp.Or(options.Log, slog.New(slog.DiscardHandler)),
		observe: options.Progress,
		ordered: options.Order,
		spare:   options.Spare,
		moved:   options.Moved,
		resting: options.Resting,
		prover:  dnsvalidate.NewProver(cfg.DNS.Settings),
		zones:   map[string]*zoneList{},
		looks:   map[string]*looks{},

		sweepLater: map[order.Record]Outcome{},
		renewals:   map[string]time.Time{},
	}
	if a.observe == nil {
		a.observe = func(Progress) {}
	}
	if a.ordered == nil {
		a.ordered = func(string) {}
	}
	if a.spare == nil {
		a.spare = func(string, int) {}
	}
	if a.moved == nil {
		a.moved = func() {}
	}
	if a.resting == nil {
		a.resting = func(Rest) {}
	}
	var err error
	a.accounts, err = account.Open(cfg.Accounts, func(account string, call aliyun.Call) {
		a.moved()
		if options.Call != nil {
			options.Call(account, call)
		}
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Client returns the account's client.
func (a *Agent) Client(account string) (*aliyun.Client, error) { return a.accounts.Client(account) }

func (a *Agent) dir(certificate string) string {
	return filepath.Join(a.config.StateDir, "certificates", certificate)
}

func (a *Agent) store(certificate string) *bundle.Store { return bundle.Open(a.dir(certificate)) }

// wallClock is the time without Go's monotonic reading, which stands still
// while a machine sleeps and knows nothing of a clock that was set.
func wallClock() time.Time { return time.Now().Round(0) }

// Prepare makes the state directory and closes it to others.
func Prepare(stateDir string) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return hint.Add(fmt.Errorf("make the state directory: %w", err), "install -d -m 0700 "+stateDir)
	}
	info, err := os.Stat(stateDir)
	if err != nil {
		return fmt.Errorf("look at the state directory: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(stateDir, 0o700); err != nil {
		return hint.Add(fmt.Errorf("close the state directory to others: %w", err), "chmod 0700 "+stateDir)
	}
	return nil
}
