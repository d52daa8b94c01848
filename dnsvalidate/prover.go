package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

const (
	confirmAfter  = 20 * time.Millisecond
	maxAliases    = 8
	firstInterval = 250 * time.Millisecond
	lastInterval  = 10 * time.Second
)

// Prover looks whether name servers show a validation record. It may be used
// by many goroutines at once: together they put at most 16 questions at a time
// to one address, and 100 a second once a burst of 50 is spent.
type Prover struct {
	settings Settings
	port     string // of the name servers that are found
	traffic  *traffic

	asking singleflight.Group // questions to one address

	zones memory[delegation]
	deaf  memory[bool]  // resolvers that kept silent, by address
	mute  memory[error] // that all resolvers kept silent
}

// NewProver returns a Prover for the settings; it asks nothing yet.
func NewProver(settings Settings) *Prover {
	return &Prover{
		settings: settings,
		port:     "53",
		traffic:  newTraffic(),
		zones:    memory[delegation]{life: delegationLife},
		deaf:     memory[bool]{life: delegationLife},
		mute:     memory[error]{life: muteLife},
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

// Look asks every address of every name server of zone ("": of the one that
// name lies in), side by side, for the TXT records at name, once and, when the quorum shows value, once more 20 ms
// later; then the public resolvers. A CNAME is followed where the settings
// delegate its target. What servers say is the verdict; an error means that
// there was nobody to ask, or that ctx ended.
func (p *Prover) Look(ctx context.Context, zone, name, value string) (Verdict, error) {
	if value == "" {
		return Verdict{}, fmt.Errorf("look for the validation record %s: it has no value", name)
	}
	zone, name = canonical(zone), canonical(name)
	if zone == "" {
		zone = p.zoneOf(ctx, name, above(name))
	}
	return p.follow(ctx, zone, name, value)
}

// follow is Look with canonical names, and perhaps with no value.
func (p *Prover) follow(ctx context.Context, zone, name, value string) (Verdict, error) {
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
		zone, name = p.zoneOf(ctx, target, next), target
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
	p.markIntercepted(ctx, verdict.Servers, delegation.wayFree)
	if p.reached(verdict) {
		if err := p.confirm(ctx, &verdict, value); err != nil {
			return Verdict{}, err
		}
	}
	if p.reached(verdict) {
		verdict.Resolvers = p.askResolvers(ctx, name, value)
		verdict.Enough = !object(verdict.Resolvers)
		verdict.Visible = verdict.Enough && verdict.unanimous()
	}
	if !verdict.unanimous() {
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
	answer, took, err := p.traffic.ask(ctx, server.address, question(name, dns.TypeTXT, false))
	verdict := inWords(err)
	if err == nil {
		verdict = judge(answer, name, value)
	}
	verdict.Name, verdict.Address, verdict.Duration = server.name, server.address, took
	return verdict
}

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
