package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"

	"dvagent/internal/together"
)

const (
	confirmAfter  = 20 * time.Millisecond
	maxAliases    = 8
	firstInterval = 50 * time.Millisecond
	lastInterval  = 10 * time.Second
)

// Prover looks for validation records at name servers. Many goroutines may use it
// at once: together they put at most 16 questions at a time to one address, and
// 100 a second once a burst of 50 is spent.
type Prover struct {
	settings Settings
	port     string // of the name servers that are found
	traffic  *traffic

	asking together.Calls[*dns.Msg] // questions to one address

	zones memory[delegation]
	deaf  memory[bool]  // resolvers that were silent, by address
	mute  memory[error] // the silence of all resolvers
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
// success: 50 ms at first, ten seconds at last.
func (p *Prover) Interval(looks int) time.Duration {
	interval := firstInterval
	for range looks {
		if interval = interval * 3 / 2; interval >= lastInterval {
			return lastInterval
		}
	}
	return interval
}

// Question is what name servers are asked for: a validation record.
type Question struct {
	Zone  string // that Name is hosted in; empty is the zone that the resolvers know
	Name  string // the whole name
	Type  string // "TXT" or "CNAME"; empty is TXT
	Value string // a CNAME's is the host name that it leads to
}

// normal is the question in the spelling in which names and values are compared.
func (q Question) normal() Question {
	q.Zone, q.Name = canonical(q.Zone), canonical(q.Name)
	q.Type, q.Value = normal(q.Type, q.Value)
	return q
}

// query asks for what stands at the name of a normal question.
func (q Question) query(recursive bool) *dns.Msg {
	return newQuery(q.Name, dns.StringToType[q.Type], recursive)
}

// Look asks every address of every name server of the zone for the record, all
// at the same time. When the quorum shows the value, those that do are asked
// once more 20 ms later, and then the public resolvers are asked. Looking for a
// TXT record, it follows a CNAME where the settings delegate its target; a CNAME
// that is itself looked for is not followed. What servers say is the verdict; an
// error means that there was nobody to ask, or that ctx ended.
func (p *Prover) Look(ctx context.Context, q Question) (Verdict, error) {
	q = q.normal()
	if q.Value == "" {
		return Verdict{}, fmt.Errorf("look for the validation record %s: it has no value", q.Name)
	}
	if q.Zone == "" {
		q.Zone = p.zoneOf(ctx, q.Name, above(q.Name))
	}
	return p.follow(ctx, q)
}

// follow is Look for a normal question, perhaps without a value.
func (p *Prover) follow(ctx context.Context, q Question) (Verdict, error) {
	seen := map[string]bool{q.Name: true}
	for {
		verdict, err := p.lookAt(ctx, q)
		if err != nil {
			return Verdict{}, fmt.Errorf("look for the validation record %s: %w", q.Name, err)
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
		q.Zone, q.Name = p.zoneOf(ctx, target, next), target
	}
}

// lookAt is Look without the CNAMEs.
func (p *Prover) lookAt(ctx context.Context, q Question) (Verdict, error) {
	if err := checkProof(q.Type, q.Value); err != nil {
		return Verdict{}, err
	}
	delegation, err := p.delegation(ctx, q.Zone)
	if err != nil {
		return Verdict{}, err
	}
	verdict := Verdict{Name: q.Name, Note: delegation.note}
	verdict.Servers = p.askAll(ctx, delegation.servers, q)
	p.markIntercepted(ctx, verdict.Servers, delegation.pathClear)
	if p.reached(verdict) {
		if err := p.confirm(ctx, verdict.Servers, q); err != nil {
			return Verdict{}, err
		}
	}
	if p.reached(verdict) {
		verdict.Resolvers = p.askResolvers(ctx, q)
		verdict.Enough = !object(verdict.Resolvers)
		verdict.Visible = verdict.Enough && verdict.unanimous()
	}
	if !verdict.unanimous() {
		markStale(p.holders(ctx, q.Zone, verdict.Servers))
	}
	return verdict, ctx.Err()
}

func (p *Prover) reached(v Verdict) bool { return p.settings.Quorum.reached(v.count()) }

// confirm asks the servers that showed the value again: behind one address there
// may be several machines, of which some do not show it yet.
func (p *Prover) confirm(ctx context.Context, servers []ServerVerdict, q Question) error {
	select {
	case <-time.After(confirmAfter):
	case <-ctx.Done():
		return ctx.Err()
	}
	inParallel(len(servers), func(i int) {
		server := &servers[i]
		if server.State != stateVisible {
			return
		}
		again := p.askServer(ctx, nameServer{server.Name, server.Address}, q)
		if again.State == stateVisible {
			return
		}
		again.Detail = join(string(again.State), again.Detail) + " at the second look"
		again.State = stateFlapping
		*server = again
	})
	return nil
}

func (p *Prover) askAll(ctx context.Context, servers []nameServer, q Question) []ServerVerdict {
	verdicts := make([]ServerVerdict, len(servers))
	inParallel(len(servers), func(i int) {
		verdicts[i] = p.askServer(ctx, servers[i], q)
	})
	return verdicts
}

func (p *Prover) askServer(ctx context.Context, server nameServer, q Question) ServerVerdict {
	if server.address == "" {
		return ServerVerdict{Name: server.name, State: stateSilent, Detail: "its name has no address"}
	}
	answer, took, err := p.traffic.ask(ctx, server.address, q.query(false))
	verdict := inWords(err)
	if err == nil {
		verdict = judge(answer, q)
	}
	verdict.Name, verdict.Address, verdict.Duration = server.name, server.address, took
	return verdict
}

// inWords turns an error of ask into a verdict.
func inWords(err error) ServerVerdict {
	if reason, ok := errors.AsType[*noAnswer](err); ok {
		return ServerVerdict{State: reason.state, Detail: reason.detail}
	}
	return ServerVerdict{State: stateSilent}
}

func inParallel(n int, do func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { do(i) })
	}
	group.Wait()
}
