package view

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// Glance is how everything was last seen: what the journals say, without a look
// at targets or probes. It is shared: nobody may change it.
type Glance struct {
	At           time.Time
	Alive        time.Time // when the scheduler last was
	PassError    *PassError
	Certificates []Seen // in the order of the configuration
	Orphans      []OrphanStatus
	Records      []RecordStatus
	Unread       error                     // why orphans or records are not known
	Coming       map[string]state.Forecast // of instances, by account
	Packages     []Package                 // from which certificates are ordered
}

// Package is what was last seen of one, and what is wanted of it.
type Package struct {
	Account, Product string
	Left             *order.Left // nil: not known
	Coming           int         // renewals that want one of it within [limits] forecast
}

// Seen is how a certificate was last seen. Of its deployments Lacks and Probes
// are empty; Deployed and Served are what the last rollout found.
type Seen struct {
	CertificateStatus
	Probed    bool // there is a probe, so that Served says something
	Emergency bool // a tenth of the current or the newest leaf's lifetime is left, or less
}

const (
	glanceLives = 3 * time.Second // how long a glance is good for everyone who wants one
	glanceKept  = 5 * time.Minute // how long it is remembered when nobody looks
)

// Glances remembers what was read of each certificate, so that a further glance
// reads what has changed since and no more.
type Glances struct {
	mu     sync.Mutex
	of     *state.Host
	known  map[string]glimpse
	last   *Glance
	forget *time.Timer
}

// glimpse is what the disk said of a certificate when it had the stamp.
type glimpse struct {
	stamp               stamp
	seen                Seen
	lasting             string    // the reason to order that no clock decides, or ""
	notBefore, notAfter time.Time // of the newest leaf
}

// stamp changes with what is known of a certificate: its current version, and
// its two journals, which grow or are replaced.
type stamp struct {
	current        string
	order, rollout fileStamp
}

type fileStamp struct {
	size     int64
	modified int64 // Unix nanoseconds
}

// Read looks at what has changed since the last glance, which is some system
// calls for each certificate. complete adds what the disk does not say. What
// nobody wants any more is forgotten.
func (g *Glances) Read(host *state.Host, complete func(*Glance)) *Glance {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := state.Now()
	if g.last != nil && g.of == host && now.Sub(g.last.At).Abs() < glanceLives {
		return g.last
	}
	if g.of != host {
		g.of, g.known = host, map[string]glimpse{}
	}
	last := glance(host, g.known, now)
	complete(last)
	g.last = last
	if g.forget != nil {
		g.forget.Stop()
	}
	g.forget = time.AfterFunc(glanceKept, g.drop)
	return last
}

func (g *Glances) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of, g.known, g.last = nil, nil, nil
}

func glance(host *state.Host, known map[string]glimpse, now time.Time) *Glance {
	certificates := host.Config.Certificates
	glimpses := make([]glimpse, len(certificates))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, certificate := range certificates {
		stamp := stampOf(host.Dir, certificate.Name)
		old, found := known[certificate.Name]
		if glimpses[i] = old; found && old.stamp == stamp {
			continue
		}
		group.Go(func() error {
			glimpses[i] = newGlimpse(host, certificate, stamp)
			return nil
		})
	}
	_ = group.Wait() // what cannot be read says so itself
	g := &Glance{At: now, Certificates: make([]Seen, len(certificates))}
	holdings := readHoldings(host.Dir)
	for i, glimpse := range glimpses {
		known[certificates[i].Name] = glimpse
		g.Certificates[i] = glimpse.at(now, holdings.of(certificates[i]))
	}
	g.count(host, holdings)
	var unread [2]error
	g.Orphans, unread[0] = orphans(host)
	g.Records, unread[1] = owedRecords(host.Dir)
	g.Unread = errors.Join(unread[:]...)
	return g
}

// count counts the renewals that want an instance, or one of a package, within
// the forecast.
func (g *Glance) count(host *state.Host, holdings holdings) {
	renewals := map[string][]state.Renewal{} // by account
	for i := range g.Certificates {
		c := &g.Certificates[i]
		all := renewals[c.Account]
		if c.Error == "" { // else nothing is known of it
			all = append(all, c.renewal)
		}
		renewals[c.Account] = all
	}
	until := g.At.Add(host.Config.Limits.Forecast)
	g.Coming = map[string]state.Forecast{}
	for account := range renewals {
		g.Coming[account] = state.Foresee(renewals[account], "", g.At, until)
	}
	for _, c := range host.Config.Certificates {
		known := slices.ContainsFunc(g.Packages, func(p Package) bool { return p.Account == c.Account && p.Product == c.Package })
		if c.Package != "" && !known {
			g.Packages = append(g.Packages, Package{c.Account, c.Package, holdings.of(c).left,
				state.Foresee(renewals[c.Account], c.Package, g.At, until).Coming()})
		}
	}
}

func stampOf(dir state.Dir, certificate string) stamp {
	current, _ := dir.Store(certificate).Current() // without a link, the rest counts
	return stamp{current, fileStampOf(dir.OrderJournal(certificate)), fileStampOf(dir.RolloutJournal(certificate))}
}

// fileStampOf is zero for a file that is not there.
func fileStampOf(path string) fileStamp {
	var info unix.Stat_t // os.Stat makes more garbage, twice for each certificate
	if unix.Stat(path, &info) != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size, info.Mtim.Nano()}
}

// newGlimpse reads a certificate's directory; the stamp is older than what it
// finds.
func newGlimpse(host *state.Host, certificate config.Certificate, stamp stamp) glimpse {
	g := glimpse{stamp: stamp}
	s, err := host.Dir.Read(certificate)
	if err != nil {
		g.seen.CertificateStatus = unreadable(certificate, err)
		g.stamp = stampNever // it may be mended in ways that leave no trace
		return g
	}
	g.seen.CertificateStatus = known(s, host.Config.Fleet)
	if s.Leaf != nil {
		g.notBefore, g.notAfter = s.Leaf.NotBefore, s.Leaf.NotAfter
		g.lasting = s.Due(s.Leaf.NotBefore) // before any window
	} else {
		g.lasting = s.Due(time.Time{})
	}
	leaf := s.Leaf
	if s.Current != s.Newest && s.Current != "" {
		leaf, _ = bundle.LoadLeaf(s.Store.Path(s.Current)) // the rollout says what is wrong with it
	}
	if leaf != nil {
		c := &g.seen.CertificateStatus
		c.Fingerprint, c.Issuer, c.NotBefore, c.NotAfter = bundle.Fingerprint(leaf), leaf.Issuer.String(), leaf.NotBefore, leaf.NotAfter
	}
	g.seen.lastRollout(s)
	return g
}

// stampNever is the stamp of nothing.
var stampNever = stamp{order: fileStamp{size: -1}}

// lastRollout fills in what the rollout last found of each target.
func (seen *Seen) lastRollout(s state.Snapshot) {
	seen.Deployed = s.Current != ""
	for _, target := range s.Config.Deploy {
		known := s.Rollout.Targets[target.ID()]
		f := known.Failure
		good := s.Current != "" && known.Version == s.Current && f.Text == "" && known.Left == ""
		probed := len(target.Probe) > 0
		seen.Probed = seen.Probed || probed
		seen.Deployed = seen.Deployed && good
		d := DeploymentStatus{
			Target: target.String(), Paths: target.Paths(), Version: known.Version,
			Served: probed && good, Error: f.Text, Hint: f.Hint, RetryAt: f.Until,
		}
		if known.Left != "" {
			d.Keeps = "a newer pair that somebody else put there"
		}
		seen.Deployments = append(seen.Deployments, d)
	}
	seen.Served = seen.Probed
	for i, target := range s.Config.Deploy {
		seen.Served = seen.Served && (len(target.Probe) == 0 || seen.Deployments[i].Served)
	}
}

// at fills in what the clock and the ledger of instances decide.
func (g glimpse) at(now time.Time, has holding) Seen {
	seen := g.seen
	if seen.Error != "" {
		seen.State = Unreadable
		return seen
	}
	known := !g.notAfter.IsZero()
	emergency := lastTenth(g.notBefore, g.notAfter, now)
	seen.Emergency = emergency || lastTenth(seen.NotBefore, seen.NotAfter, now)
	byClock := ""
	switch {
	case emergency:
		byClock = state.ReasonEmergency
	case known && !now.Before(seen.RenewsAt):
		byClock = state.ReasonInWindow
	}
	seen.Reason = cmp.Or(g.lasting, byClock)
	renewal := state.Renewal{At: seen.RenewsAt, Ends: g.notAfter, Claim: has.claim, Follows: seen.Follows, Package: seen.Package, Left: has.left}
	if seen.Reason != "" {
		renewal.At = now
	}
	seen.foresee(renewal, now)
	seen.warnOfHold()
	seen.Next = seen.next()
	seen.State = seen.state(now)
	if !seen.Deployed && seen.keeper() == nil && seen.State.Rank() > Deploying.Rank() { // what the files lack was not looked at
		seen.State = Deploying
	}
	return seen
}

// WantsInstance says that the order failed for want of a spare instance.
func (o OrderStatus) WantsInstance() bool {
	return o.Instance == "" && o.Cause == order.CauseNoInstance
}

// Open says that the order has not ended.
func (o *OrderStatus) Open() bool { return o != nil && o.Step != string(order.Done) }
