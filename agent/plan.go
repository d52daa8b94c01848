package agent

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// Plan is what would be done now, as `plan --json` prints it.
type Plan struct {
	At           time.Time `json:"at"`
	Certificates []Planned `json:"certificates"`
}

// Planned is what would be done for one certificate.
type Planned struct {
	Name        string              `json:"name"`
	Domains     []string            `json:"domains"`
	Action      string              `json:"action"` // order, resume, wait, take over, deploy or none
	Reason      string              `json:"reason"` // why an order is due; empty when none is
	Step        string              `json:"step,omitempty"`
	Instance    string              `json:"instance,omitempty"`
	NotAfter    time.Time           `json:"not_after,omitzero"`
	RenewsAt    time.Time           `json:"renews_at,omitzero"`
	RetryAt     time.Time           `json:"retry_at,omitzero"`
	Held        bool                `json:"held"`
	Deployments []PlannedDeployment `json:"deployments,omitempty"`
	Warnings    []string            `json:"warnings,omitempty"`
	Error       string              `json:"error,omitempty"` // why its state cannot be read
	Next        string              `json:"next"`            // the same in words
}

// PlannedDeployment is a target that lacks something.
type PlannedDeployment struct {
	Target string   `json:"target"` // its main file
	Lacks  []string `json:"lacks"`
}

// The actions of a plan.
const (
	ActionOrder    = "order"
	ActionResume   = "resume"
	ActionWait     = "wait"
	ActionTakeOver = "take over"
	ActionDeploy   = "deploy"
	ActionNone     = "none"
)

// Plan says what would be done at a time, from local files alone.
func (a *Agent) Plan(ctx context.Context, now time.Time) (Plan, error) {
	plan := Plan{At: now, Certificates: make([]Planned, len(a.config.Certificates))}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, certificate := range a.config.Certificates {
		group.Go(func() error {
			p, err := a.plan(ctx, certificate, now)
			if err != nil {
				p = Planned{Name: certificate.Name, Domains: certificate.Domains, Action: ActionWait,
					Error: err.Error(), Next: "see why its state cannot be read: " + err.Error()}
			}
			plan.Certificates[i] = p
			return nil
		})
	}
	return plan, group.Wait()
}

func (a *Agent) plan(ctx context.Context, certificate config.Certificate, now time.Time) (Planned, error) {
	s, err := a.read(certificate)
	if err != nil {
		return Planned{}, err
	}
	p := Planned{Name: s.Name, Domains: s.Domains, Reason: s.due(now), RenewsAt: s.renewsAt(), Held: s.rollout.Held != ""}
	if s.leaf != nil {
		p.NotAfter = s.leaf.NotAfter
	}
	if err := s.planDeployments(ctx, &p); err != nil {
		return p, err
	}
	s.planAction(&p, now)
	if p.Action == ActionOrder && len(s.Instances) == 0 {
		p.Warnings = append(p.Warnings, "no instances are listed: any free DV instance may be used, and whether it is for a single name or a wildcard cannot be told beforehand")
	}
	return p, nil
}

func (s standing) planAction(p *Planned, now time.Time) {
	switch o := s.order; {
	case o != nil && o.Step() != order.Done:
		p.Step, p.Instance = string(o.Step()), o.Instance
		p.Action, p.Next = ActionResume, "go on with the open order at the step "+p.Step
		if o.Stopped || now.Before(o.Until) {
			p.Action, p.RetryAt, p.Next = ActionWait, o.Until, "wait: "+o.Error
		}
	case p.Reason == ReasonMissing && s.heldByTargets() != nil:
		p.Action, p.Next = ActionTakeOver, "take over the certificate that is in place; nothing is ordered"
	case p.Reason != "":
		p.Action, p.Next = ActionOrder, "order: "+p.Reason
	case len(p.Deployments) > 0:
		p.Action, p.Next = ActionDeploy, fmt.Sprintf("install at %s", p.Deployments[0].Target)
	default:
		p.Action, p.Next = ActionNone, "nothing until "+p.RenewsAt.Format(time.RFC3339)
	}
}

// planDeployments compares files; what is served is not asked.
func (s standing) planDeployments(ctx context.Context, p *Planned) error {
	if s.current == "" || len(s.Deploy) == 0 {
		return nil
	}
	b, err := bundle.Load(s.store.Path(s.current))
	if err != nil {
		return nil // the reason says it
	}
	for _, target := range s.Deploy {
		id := target.ID()
		target.Probe = nil
		lacks := deploy.Inspect(ctx, target, b).Files
		if len(lacks) == 0 && s.rollout.Targets[id].Version != s.current {
			lacks = []string{"not seen to serve version " + s.current}
		}
		if len(lacks) > 0 {
			p.Deployments = append(p.Deployments, PlannedDeployment{Target: target.String(), Lacks: lacks})
		}
	}
	return nil
}
