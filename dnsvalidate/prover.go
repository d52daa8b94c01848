package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	confirmAfter  = 20 * time.Millisecond
	maxAliases    = 8
	maxQuestions  = 64 // in flight at once, over all looks
	firstInterval = 250 * time.Millisecond
	lastInterval  = 10 * time.Second
)

// Prover looks whether name servers show a validation record. It may be used
// by many goroutines at once; together they keep at most 64 questions in flight.
type Prover struct {
	settings Settings
	port     string // of the name servers that are found
	slots    chan struct{}

	mu    sync.Mutex
	found map[string]delegation // by zone
}

// NewProver returns a Prover for the settings; it asks nothing yet.
func NewProver(settings Settings) *Prover {
	return &Prover{
		settings: settings,
		port:     "53",
		slots:    make(chan struct{}, maxQuestions),
		found:    make(map[string]delegation),
	}
}

// Interval is the time to wait after the given number of looks without
// success: 250 ms at first, ten seconds at last.
func (p *Prover) Interval(looks int) time.Duration {
	interval := firstInterval
	for range looks {
		if interval = interval * 3 / 2; interval >= lastInterval {
			return lastInterval
		}
	}
	return interval
}

// Look asks every address of every name server of zone, side by side, for the
// TXT records at name, once and, when the quorum shows value, once more 20 ms
// later; then the public resolvers. A CNAME is followed where the settings
// delegate its target. What servers say is the verdict; an error means that
// there was nobody to ask, or that ctx ended.
func (p *Prover) Look(ctx context.Context, zone, name, value string) (Verdict, error) {
	if value == "" {
		return Verdict{}, fmt.Errorf("look for the validation record %s: it has no value", name)
	}
	zone, name = canonical(zone), canonical(name)
	seen := map[string]bool{name: true}
	for {
		verdict, err := p.lookAt(ctx, zone, name, value)
		if err != nil {
			return Verdict{}, fmt.Errorf("look for the validation record %s: %w", name, err)
		}
		target := verdict.alias()
		next := p.settings.DelegateZone(target)
		if next == "" {
			return verdict, nil
		}
		if seen[target] || len(seen) > maxAliases {
			verdict.Note = "the CNAMEs end nowhere: " + target + " comes round again or is one too many"
			return verdict, nil
		}
		seen[target] = true
		zone, name = next, target
	}
}

// lookAt is Look without the CNAMEs.
func (p *Prover) lookAt(ctx context.Context, zone, name, value string) (Verdict, error) {
	delegation, err := p.delegation(ctx, zone)
	if err != nil {
		return Verdict{}, err
	}
	verdict := Verdict{Name: name, Note: delegation.note}
	verdict.Servers = p.askAll(ctx, delegation.servers, name, value)
	if p.reached(verdict) {
		if err := p.confirm(ctx, &verdict, value); err != nil {
			return Verdict{}, err
		}
	}
	if verdict.Visible = p.reached(verdict); verdict.Visible {
		verdict.Resolvers = p.askResolvers(ctx, name, value)
		verdict.Visible = usable(verdict.Resolvers)
	} else {
		markIntercepted(verdict.Servers)
		p.markStale(ctx, zone, verdict.Servers)
	}
	return verdict, ctx.Err()
}

func (p *Prover) reached(v Verdict) bool { return p.settings.Quorum.Reached(v.count()) }

// confirm asks those that showed the value again: a farm of servers behind one
// address can show it once and then not.
func (p *Prover) confirm(ctx context.Context, verdict *Verdict, value string) error {
	select {
	case <-time.After(confirmAfter):
	case <-ctx.Done():
		return ctx.Err()
	}
	inParallel(len(verdict.Servers), func(i int) {
		server := &verdict.Servers[i]
		if server.State != Visible {
			return
		}
		again := p.askServer(ctx, nameServer{server.Name, server.Address}, verdict.Name, value)
		if again.State == Visible {
			return
		}
		again.Detail = join(string(again.State), again.Detail) + " at the second look"
		again.State = Flapping
		*server = again
	})
	return nil
}

func (p *Prover) askAll(ctx context.Context, servers []nameServer, name, value string) []ServerVerdict {
	verdicts := make([]ServerVerdict, len(servers))
	inParallel(len(servers), func(i int) {
		verdicts[i] = p.askServer(ctx, servers[i], name, value)
	})
	return verdicts
}

func (p *Prover) askServer(ctx context.Context, server nameServer, name, value string) ServerVerdict {
	if server.address == "" {
		return ServerVerdict{Name: server.name, State: Silent, Detail: "its name has no address"}
	}
	begun := time.Now()
	answer, err := p.ask(ctx, server.address, question(name, dns.TypeTXT, false))
	verdict := inWords(err)
	if err == nil {
		verdict = judge(answer, name, value)
	}
	verdict.Name, verdict.Address, verdict.Duration = server.name, server.address, time.Since(begun)
	return verdict
}

func (p *Prover) askResolvers(ctx context.Context, name, value string) []ServerVerdict {
	verdicts := make([]ServerVerdict, len(p.settings.PublicResolvers))
	inParallel(len(verdicts), func(i int) {
		begun, address := time.Now(), withPort(p.settings.PublicResolvers[i])
		verdicts[i] = p.askResolver(ctx, address, name, value)
		verdicts[i].Address, verdicts[i].Duration = address, time.Since(begun)
	})
	return verdicts
}

func (p *Prover) askResolver(ctx context.Context, address, name, value string) ServerVerdict {
	answer, err := p.ask(ctx, address, question(name, dns.TypeTXT, true))
	if err != nil {
		return inWords(err)
	}
	if answer.Rcode == dns.RcodeServerFailure && p.bogus(ctx, address, name, dns.TypeTXT) {
		return ServerVerdict{State: Bogus}
	}
	return judgeResolver(answer, name, value)
}

// bogus tells broken DNSSEC from any other failure: with checking disabled a
// validating resolver hands out what it otherwise calls SERVFAIL.
func (p *Prover) bogus(ctx context.Context, address, name string, qtype uint16) bool {
	query := question(name, qtype, true)
	query.CheckingDisabled = true
	unchecked, err := p.ask(ctx, address, query)
	return err == nil && existenceKnown(unchecked)
}

// ask waits for a free slot first, so that a hundred looks do not flood anyone.
func (p *Prover) ask(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return ask(ctx, address, query)
	case <-ctx.Done():
		return nil, &unheard{state: Silent}
	}
}

// usable is false when a public resolver, and so perhaps the CA's, cannot use
// what the name servers show. Its caches and its silence hold up nothing.
func usable(resolvers []ServerVerdict) bool {
	for _, resolver := range resolvers {
		if resolver.State == Bogus || resolver.State == Failed {
			return false
		}
	}
	return true
}

// markIntercepted finds that something on the way answers for everybody.
func markIntercepted(servers []ServerVerdict) {
	for _, server := range servers {
		if server.State != Lame || !server.recursive {
			return
		}
	}
	for i := range servers {
		servers[i].State = Intercepted
	}
}

// markStale compares serials once the servers disagree.
func (p *Prover) markStale(ctx context.Context, zone string, servers []ServerVerdict) {
	if !disagree(servers) {
		return
	}
	inParallel(len(servers), func(i int) {
		if server := &servers[i]; server.serial == 0 && (server.State == Visible || server.State == NotYet) {
			server.serial = p.serial(ctx, server.Address, zone)
		}
	})
	var newest uint32
	for _, server := range servers {
		if server.State == Visible && (newest == 0 || older(newest, server.serial)) {
			newest = server.serial
		}
	}
	for i := range servers {
		if server := &servers[i]; server.State == NotYet && older(server.serial, newest) {
			server.State, server.Detail = Stale, fmt.Sprintf("serial %d, others have %d", server.serial, newest)
		}
	}
}

func disagree(servers []ServerVerdict) bool {
	var visible, notYet bool
	for _, server := range servers {
		visible = visible || server.State == Visible
		notYet = notYet || server.State == NotYet
	}
	return visible && notYet
}

func (p *Prover) serial(ctx context.Context, address, zone string) uint32 {
	answer, err := p.ask(ctx, address, question(zone, dns.TypeSOA, false))
	if err != nil {
		return 0
	}
	return serialIn(answer)
}

// older compares serials as RFC 1982 does; an unknown one is never older.
func older(a, b uint32) bool { return a != 0 && b != 0 && int32(b-a) > 0 }

// inWords puts the error of ask into a verdict.
func inWords(err error) ServerVerdict {
	if reason, ok := errors.AsType[*unheard](err); ok {
		return ServerVerdict{State: reason.state, Detail: reason.detail}
	}
	return ServerVerdict{State: Silent}
}

func inParallel(n int, do func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { do(i) })
	}
	group.Wait()
}
