package view

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"time"

	"dvagent/internal/words"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/agent/seal"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// Plan is what would be done now, as `plan --json` prints it.
type Plan struct {
	At           time.Time `json:"at"`
	Certificates []Planned `json:"certificates"`

	Damaged []DamagedFile `json:"damaged_files,omitempty"` // that cannot be read, and keep all of it from being done
}

// Planned is what would be done for one certificate.
type Planned struct {
	Name             string              `json:"name"`
	Domains          []string            `json:"domains"`
	Action           string              `json:"action"`            // order, resume, wait, take over, follow, deploy, upload or none
	Follows          bool                `json:"follows,omitempty"` // it orders nothing
	Reason           string              `json:"reason"`            // why an order is due; empty when none is
	Step             string              `json:"step,omitempty"`
	Instance         string              `json:"instance,omitempty"` // of the open order, or that the renewal would be of
	SubscriptionEnds time.Time           `json:"subscription_ends,omitzero"`
	Package          string              `json:"package,omitempty"` // the same, in place of an instance
	NotAfter         time.Time           `json:"not_after,omitzero"`
	RenewsAt         time.Time           `json:"renews_at,omitzero"`
	RetryAt          time.Time           `json:"retry_at,omitzero"`
	Held             bool                `json:"held"`
	Deployments      []PlannedDeployment `json:"deployments,omitempty"`
	Warnings         []string            `json:"warnings,omitempty"`
	Error            string              `json:"error,omitempty"` // why its state cannot be read
	Next             string              `json:"next"`            // the same in words

	fromFleet bool // it follows the fleet
}

// PlannedDeployment is a target that lacks something.
type PlannedDeployment struct {
	Target string   `json:"target"` // its main file
	Lacks  []string `json:"lacks"`
}

// The actions of a plan.
const (
	ActionOrder    = "order"
	actionResume   = "resume"
	ActionWait     = "wait"
	actionTakeOver = "take over"
	actionFollow   = "follow"
	actionDeploy   = "deploy"
	actionUpload   = "upload"
	ActionNone     = "none"
)

// ReadPlan says what would be done at a time, from local files alone.
func ReadPlan(ctx context.Context, host *state.Host, now time.Time) Plan {
	plan := Plan{At: now, Certificates: make([]Planned, len(host.Config.Certificates))}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	holdings := readHoldings(host.Dir)
	seals := host.Sealed(ctx, now)
	for i, certificate := range host.Config.Certificates {
		if seals[i] != (seal.Seal{}) {
			plan.Certificates[i] = untouched(certificate, seals[i], holdings.of(certificate), now)
			continue
		}
		group.Go(func() error {
			plan.Certificates[i] = planned(ctx, host, certificate, holdings.of(certificate), now)
			return nil
		})
	}
	_ = group.Wait() // what cannot be read says so itself
	plan.Damaged = unread(nil, host.Dir.Instances(), holdings.err)
	return plan
}

// untouched is planned for a certificate at which the last look had nothing to do, and
// of which no file was touched since.
func untouched(certificate config.Certificate, known seal.Seal, has holding, now time.Time) Planned {
	p := Planned{Name: certificate.Name, Domains: certificate.Domains, Follows: certificate.Follow,
		RenewsAt: time.Unix(known.Renews, 0).UTC(), NotAfter: time.Unix(known.Ends, 0).UTC()}
	p.foresee(state.Renewal{At: p.RenewsAt, Ends: p.NotAfter, Claim: has.claim, Follows: certificate.Follow, Package: certificate.Package, Left: has.left}, now)
	p.decide(state.Snapshot{Config: certificate, Rollout: &rollout.Rollout{}}, false, now)
	return p
}

func planned(ctx context.Context, host *state.Host, certificate config.Certificate, has holding, now time.Time) Planned {
	s, err := host.Dir.Read(certificate)
	if err != nil {
		return Planned{Name: certificate.Name, Domains: certificate.Domains, Follows: certificate.Follow, Action: ActionWait,
			Error: err.Error(), Next: seeWhy(err)}
	}
	p := Planned{Name: s.Config.Name, Domains: s.Config.Domains, Follows: s.Config.Follow, fromFleet: s.Config.FromFleet, Reason: s.Due(now), RenewsAt: s.RenewsAt(), Held: s.Rollout.Held != ""}
	if s.Leaf != nil {
		p.NotAfter = s.Leaf.NotAfter
	}
	kept := p.compare(ctx, host, s, now)
	p.foresee(has.renewal(s, now), now)
	takenOver, warning := takeOver(host, s, now, len(kept) > 0)
	p.decide(s, takenOver, now)
	if p.Action == ActionOrder && p.Instance == "" && p.Package == "" && len(s.Config.Instances) == 0 {
		p.Warnings = append(p.Warnings, "no instances are listed: any free DV instance may be used, and whether it is for a single name or a wildcard is not known beforehand")
	}
	if warning != "" {
		p.Warnings = append(p.Warnings, warning)
	}
	if !takenOver {
		p.Warnings = append(p.Warnings, kept...)
	}
	return p
}

// decide names the action, from the order, the reason and the deployments.
func (p *Planned) decide(s state.Snapshot, takenOver bool, now time.Time) {
	switch o := s.Order; {
	case o != nil && o.Step() != order.Done:
		p.Step, p.Instance, p.Package = string(o.Step()), cmp.Or(bought(o.Instance, o.Package), p.Instance), cmp.Or(o.Package, p.Package)
		p.Action, p.Next = actionResume, "go on with the open order at the step "+p.Step
		if f := o.Failure; f.Stopped || now.Before(f.Until) {
			p.Action, p.RetryAt, p.Next = ActionWait, f.Until, "wait: "+f.Text
		}
	case takenOver:
		p.Action, p.Next = actionTakeOver, "take over the certificate that is in place; nothing is ordered"
	case p.Reason != "" && p.Follows:
		p.follow()
	case p.Reason != "":
		p.Action, p.Next = ActionOrder, "order: "+p.Reason
		if of := p.of(); of != "" {
			p.Next = fmt.Sprintf("order: %s, %s", p.Reason, of)
		}
	case len(p.Deployments) > 0:
		p.Action, p.Next = actionDeploy, fmt.Sprintf("install at %s", p.Deployments[0].Target)
	case s.UploadOwed():
		p.Action, p.Next = actionUpload, "upload version "+s.Current+" to account "+s.Config.Account
	default:
		p.Action, p.Next = ActionNone, "nothing until "+words.Minute(p.RenewsAt)
		if of := p.of(); of != "" {
			p.Next = fmt.Sprintf("nothing until %s, then %s", words.Minute(p.RenewsAt), of)
		}
		if p.Follows {
			p.Next = "follows; " + p.Next
		}
	}
}

// Force makes of a plan what renew --force would do: an order for whatever has
// none open.
func (p *Plan) Force() {
	for i := range p.Certificates {
		if one := &p.Certificates[i]; one.Error == "" && one.Step == "" {
			one.force()
		}
	}
}

func (p *Planned) follow() {
	p.Action, p.Next = actionFollow, "follows: take what the account holds for these names with a key: "+p.Reason
	if p.fromFleet {
		p.Next = "follows: take what the fleet publishes: " + p.Reason
	}
}

func (p *Planned) force() {
	p.Reason = state.ReasonForced
	if p.Follows {
		p.follow()
		return
	}
	p.Action, p.Next = ActionOrder, "order: "+p.Reason
	if of := p.of(); of != "" {
		p.Next = fmt.Sprintf("order: %s, %s", p.Reason, of)
	}
}

// foresee names the package, or the instance that is kept for the renewal, and
// warns where it does not last for it. What follows is renewed of none.
func (p *Planned) foresee(r state.Renewal, now time.Time) {
	p.SubscriptionEnds, p.Package = r.Claim.Until, r.Package
	if short := r.Shortfall(p.Name, now); short != "" {
		p.Warnings = append(p.Warnings, short)
		return
	}
	if r.Follows {
		return
	}
	p.Instance = bought(r.Claim.Instance, cmp.Or(r.Package, r.Claim.Package))
}

// of says in words which instance or package an order would be of, where that is
// known.
func (p *Planned) of() string {
	switch {
	case p.Package != "":
		return "from package " + p.Package
	case p.Instance != "":
		return "of instance " + p.Instance
	case len(p.Warnings) > 0:
		return "of another instance"
	}
	return ""
}

// compare compares files; what is served is not asked. It tells of the newer pairs
// of somebody else's that stay in a target.
func (p *Planned) compare(ctx context.Context, host *state.Host, s state.Snapshot, now time.Time) (kept []string) {
	if s.Current == "" || len(s.Config.Deploy) == 0 {
		return nil
	}
	b, err := bundle.Load(s.Store.Path(s.Current))
	if err != nil {
		return nil // the reason says it
	}
	for _, target := range s.Targets() {
		id := target.ID()
		target.Probe = nil
		lacks := deploy.Inspect(ctx, target, b).Files
		if len(lacks) == 0 && s.Rollout.Targets[id].Version != s.Current {
			lacks = []string{"not seen to serve version " + s.Current}
		}
		pair := keeps(host, s, target, lacks, now)
		switch {
		case pair != "":
			kept = append(kept, target.String()+" keeps "+pair)
		case len(lacks) > 0:
			p.Deployments = append(p.Deployments, PlannedDeployment{Target: target.String(), Lacks: lacks})
		}
	}
	return kept
}
