package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/internal/bundle"
)

// Glance is how everything was last seen: what the journals say, without a look
// at targets or probes. It is shared: nobody may change it.
type Glance struct {
	At           time.Time
	Moved        time.Time // when the scheduler last moved
	PassError    *PassError
	Certificates []Seen // in the order of the configuration
	Orphans      []OrphanStatus
	Records      []RecordStatus
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

// glances remembers what was read of each certificate, so that a further glance
// reads what has changed since and no more.
type glances struct {
	mu     sync.Mutex
	of     *Agent
	known  map[string]glimpse
	last   *Glance
	forget *time.Timer
}

// glimpse is what the disk said of a certificate when it had the stamp.
type glimpse struct {
	stamp               stamp
	seen                Seen
	standing            string    // the reason to order that no clock decides, or ""
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

// Glance looks at what has changed since the last glance, which is some system
// calls for each certificate. What nobody wants any more is forgotten.
func (s *Service) Glance() (*Glance, error) {
	g := &s.glances
	g.mu.Lock()
	defer g.mu.Unlock()
	now := wallClock()
	a := s.shown.Load()
	if g.last != nil && g.of == a && now.Sub(g.last.At).Abs() < glanceLives {
		return g.last, nil
	}
	if g.of != a {
		g.of, g.known = a, map[string]glimpse{}
	}
	last, err := a.glance(g.known, now)
	if err != nil {
		return nil, err
	}
	last.PassError = s.State().PassError
	last.Moved = now.Add(-s.moves.idle())
	g.last = last
	if g.forget != nil {
		g.forget.Stop()
	}
	g.forget = time.AfterFunc(glanceKept, g.drop)
	return last, nil
}

func (g *glances) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of, g.known, g.last = nil, nil, nil
}

func (a *Agent) glance(known map[string]glimpse, now time.Time) (*Glance, error) {
	certificates := a.config.Certificates
	glimpses := make([]glimpse, len(certificates))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, certificate := range certificates {
		stamp := a.stampOf(certificate.Name)
		old, found := known[certificate.Name]
		if glimpses[i] = old; found && old.stamp == stamp {
			continue
		}
		group.Go(func() error {
			glimpses[i] = a.glimpse(certificate, stamp)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	g := &Glance{At: now, Certificates: make([]Seen, len(certificates))}
	for i, glimpse := range glimpses {
		known[certificates[i].Name] = glimpse
		g.Certificates[i] = glimpse.at(now)
	}
	var err error
	if g.Orphans, err = a.orphans(now); err != nil {
		return nil, err
	}
	g.Records, err = a.owedRecords()
	return g, err
}

func (a *Agent) stampOf(certificate string) stamp {
	dir := a.dir(certificate)
	current, _ := os.Readlink(filepath.Join(dir, "current")) // without a link, the rest counts
	return stamp{current, stampOf(filepath.Join(dir, "order.journal")), stampOf(filepath.Join(dir, "rollout.journal"))}
}

// stampOf is zero for a file that is not there.
func stampOf(path string) fileStamp {
	var info unix.Stat_t // os.Stat makes more garbage, twice for each certificate
	if unix.Stat(path, &info) != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size, info.Mtim.Nano()}
}

// glimpse reads a certificate's directory; the stamp is older than what it
// finds.
func (a *Agent) glimpse(certificate config.Certificate, stamp stamp) glimpse {
	g := glimpse{stamp: stamp}
	s, err := a.read(certificate)
	if err != nil {
		g.seen.CertificateStatus = unreadable(certificate, err)
		g.stamp = stampNever // it may be mended in ways that leave no trace
		return g
	}
	g.seen.CertificateStatus = s.known()
	if s.leaf != nil {
		g.notBefore, g.notAfter = s.leaf.NotBefore, s.leaf.NotAfter
		g.standing = s.due(s.leaf.NotBefore) // before any window
	} else {
		g.standing = s.due(time.Time{})
	}
	leaf := s.leaf
	if s.current != s.newest && s.current != "" {
		leaf, _ = bundle.LoadLeaf(s.store.Path(s.current)) // the rollout says what is wrong with it
	}
	if leaf != nil {
		c := &g.seen.CertificateStatus
		c.Fingerprint, c.NotBefore, c.NotAfter = bundle.Fingerprint(leaf), leaf.NotBefore, leaf.NotAfter
	}
	s.lastRollout(&g.seen)
	return g
}

// stampNever is the stamp of nothing.
var stampNever = stamp{order: fileStamp{size: -1}}

// lastRollout fills in what the rollout last found of each target.
func (s standing) lastRollout(seen *Seen) {
	seen.Deployed = s.current != ""
	for _, target := range s.Deploy {
		state := s.rollout.Targets[target.ID()]
		good := s.current != "" && state.Version == s.current && state.Error == ""
		probed := len(target.Probe) > 0
		seen.Probed = seen.Probed || probed
		seen.Deployed = seen.Deployed && good
		seen.Deployments = append(seen.Deployments, DeploymentStatus{
			Target: target.String(), Paths: target.Paths(), Version: state.Version,
			Served: probed && good, Error: state.Error, Hint: state.Hint, RetryAt: state.Until,
		})
	}
	seen.Served = seen.Probed
	for i, target := range s.Deploy {
		seen.Served = seen.Served && (len(target.Probe) == 0 || seen.Deployments[i].Served)
	}
}

// at fills in what the clock decides.
func (g glimpse) at(now time.Time) Seen {
	seen := g.seen
	if seen.Error != "" {
		seen.State = StateUnreadable
		return seen
	}
	known := !g.notAfter.IsZero()
	emergency := inLastTenth(g.notBefore, g.notAfter, now)
	seen.Emergency = emergency || inLastTenth(seen.NotBefore, seen.NotAfter, now)
	byClock := ""
	switch {
	case emergency:
		byClock = ReasonEmergency
	case known && !now.Before(seen.RenewsAt):
		byClock = ReasonInWindow
	}
	seen.Reason = cmp.Or(g.standing, byClock)
	seen.Next = seen.next()
	seen.State = seen.state(now)
	if !seen.Deployed && seen.State.Rank() > StateDeploying.Rank() { // what the files lack was not looked at
		seen.State = StateDeploying
	}
	return seen
}

// inLastTenth is false for a leaf that is not known.
func inLastTenth(notBefore, notAfter, now time.Time) bool {
	return !notAfter.IsZero() && notAfter.Sub(now) <= notAfter.Sub(notBefore)/10
}

// WantsInstance says that the order failed for want of a spare instance.
func (o OrderStatus) WantsInstance() bool {
	return o.Instance == "" && strings.HasPrefix(o.Error, errNoInstance.Error())
}

// Open says that the order has not ended.
func (o *OrderStatus) Open() bool { return o != nil && o.Step != string(order.Done) }
