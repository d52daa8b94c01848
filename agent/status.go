package agent

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/notice"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/deploy"
	"dvagent/hooks"
	"dvagent/internal/bundle"
)

// Status is how everything stands, as `status --json` prints it.
type Status struct {
	At           time.Time           `json:"at"`
	Service      *ServiceStatus      `json:"service,omitempty"` // the one that runs, if one does
	StateDir     string              `json:"state_dir"`
	Certificates []CertificateStatus `json:"certificates"`
	Orphans      []OrphanStatus      `json:"orphans,omitempty"` // open orders of certificates that are not configured
	Records      []RecordStatus      `json:"owed_records,omitempty"`
	Notify       []ChannelStatus     `json:"notify,omitempty"` // channels that could not be told
}

// ChannelStatus is a [[notify]] that failed.
type ChannelStatus struct {
	Name    string    `json:"name"`
	Error   string    `json:"error"`
	RetryAt time.Time `json:"retry_at"`
}

// CertificateStatus is how one certificate stands.
type CertificateStatus struct {
	Name        string             `json:"name"`
	State       State              `json:"state"`
	Domains     []string           `json:"domains"`
	Account     string             `json:"account"`
	Version     string             `json:"version,omitempty"` // the current one
	Held        bool               `json:"held"`
	Fingerprint string             `json:"fingerprint,omitempty"` // SHA-256 of the current version's leaf
	NotBefore   time.Time          `json:"not_before,omitzero"`
	NotAfter    time.Time          `json:"not_after,omitzero"`
	RenewsAt    time.Time          `json:"renews_at,omitzero"`
	Reason      string             `json:"reason"` // why an order is due; empty when none is
	Order       *OrderStatus       `json:"order,omitempty"`
	Deployments []DeploymentStatus `json:"deployments"`
	Deployed    bool               `json:"deployed"`             // every target holds the current version
	Served      bool               `json:"served"`               // every probe showed it, and there is one
	HookError   string             `json:"hook_error,omitempty"` // why a hook is owed
	FailedHooks []FailedCommand    `json:"failed_hooks,omitempty"`
	Error       string             `json:"error,omitempty"` // why its state cannot be read
	Next        string             `json:"next"`            // what comes, or what to do, in words

	Versions  []VersionStatus `json:"versions,omitempty"` // newest first; with the last order only where names are asked for
	LastOrder *LastOrder      `json:"last_order,omitempty"`
}

// OrderStatus is an open order.
type OrderStatus struct {
	Step       string    `json:"step"`
	Reason     string    `json:"reason"`
	Instance   string    `json:"instance,omitempty"`
	Adopted    bool      `json:"adopted"`
	OpenedAt   time.Time `json:"opened_at"`
	Submitted  time.Time `json:"submitted_at,omitzero"`
	ServerSays string    `json:"server_says,omitempty"` // OrderStatus, as last seen
	WaitsFor   string    `json:"waits_for,omitempty"`
	Error      string    `json:"error,omitempty"`
	Hint       string    `json:"hint,omitempty"`
	RetryAt    time.Time `json:"retry_at,omitzero"`
	Stopped    bool      `json:"stopped"`             // a person is asked
	Transient  bool      `json:"transient,omitempty"` // waiting may cure the error

	History []OrderEvent `json:"history,omitempty"` // where names are asked for
}

// DeploymentStatus is one target.
type DeploymentStatus struct {
	Target   string    `json:"target"` // its main file
	Paths    []string  `json:"paths"`
	Version  string    `json:"version,omitempty"`  // that it was last seen to hold and serve
	Lacks    []string  `json:"lacks,omitempty"`    // files that differ
	Probes   []string  `json:"probes,omitempty"`   // what each listener serves now
	Warnings []string  `json:"warnings,omitempty"` // what may trouble clients although it is served
	Served   bool      `json:"served"`
	Error    string    `json:"error,omitempty"` // of the last try
	Hint     string    `json:"hint,omitempty"`
	RetryAt  time.Time `json:"retry_at,omitzero"`

	FailedCommand *FailedCommand `json:"failed_command,omitempty"` // the check or reload, where that is why
}

// FailedCommand is how a check, a reload or a hook ended that has not succeeded
// since.
type FailedCommand struct {
	At       time.Time `json:"at"`
	Event    string    `json:"event,omitempty"` // of a hook
	Program  string    `json:"program"`
	ExitCode int       `json:"exit_code"` // -1 when it was not started, was killed or was stopped
	Output   string    `json:"output"`    // the last KiB: lines of printable text without private keys
}

// OrphanStatus is an open order whose certificate is gone from the configuration,
// or a directory of which nobody can say whether it holds one.
type OrphanStatus struct {
	Certificate string      `json:"certificate"`
	Order       OrderStatus `json:"order"`           // empty with an error
	Error       string      `json:"error,omitempty"` // why it cannot be read
	Next        string      `json:"next"`
}

// RecordStatus is a validation record that is still to be removed.
type RecordStatus struct {
	Certificate string `json:"certificate"`
	Zone        string `json:"zone"`
	Name        string `json:"name"`
	RecordID    string `json:"record_id,omitempty"`
}

// Status reads the state directory and shakes hands with the probes. It needs
// no lock. With names, only those certificates are looked at.
func (a *Agent) Status(ctx context.Context, now time.Time, names ...string) (Status, error) {
	selected, err := a.selected(names)
	if err != nil {
		return Status{}, err
	}
	status := Status{At: now, StateDir: a.config.StateDir, Certificates: []CertificateStatus{}}
	var certificates []config.Certificate
	for _, certificate := range a.config.Certificates {
		if selected[certificate.Name] {
			certificates = append(certificates, certificate)
		}
	}
	status.Certificates = make([]CertificateStatus, len(certificates))
	var group errgroup.Group
	group.SetLimit(inspectedAtOnce)
	for i, certificate := range certificates {
		group.Go(func() error {
			c, err := a.status(ctx, certificate, now)
			if err != nil {
				c = unreadable(certificate, err)
			}
			c.State = c.state(now)
			status.Certificates[i] = c
			if err != nil || len(names) == 0 {
				return nil
			}
			return a.addDetail(&status.Certificates[i])
		})
	}
	if err := group.Wait(); err != nil || len(names) > 0 {
		return status, err
	}
	if status.Orphans, err = a.orphans(now); err != nil {
		return status, err
	}
	if status.Records, err = a.owedRecords(); err != nil {
		return status, err
	}
	status.Notify, err = a.failedChannels()
	return status, err
}

func (a *Agent) failedChannels() ([]ChannelStatus, error) {
	book, err := notice.Load(a.config.StateDir)
	if err != nil {
		return nil, err
	}
	var failed []ChannelStatus
	for _, channel := range a.config.Notify {
		if c := book.Channels[channel.Name]; c != nil && c.Error != "" {
			failed = append(failed, ChannelStatus{Name: channel.Name, Error: c.Error, RetryAt: c.Until})
		}
	}
	return failed, nil
}

func (a *Agent) status(ctx context.Context, certificate config.Certificate, now time.Time) (CertificateStatus, error) {
	s, err := a.read(certificate)
	if err != nil {
		return CertificateStatus{}, err
	}
	c := s.known()
	c.Reason = s.due(now)
	if s.current == "" {
		c.Next = c.next()
		return c, nil
	}
	b, err := bundle.Load(s.store.Path(s.current))
	if err != nil {
		c.Next = c.next()
		return c, nil // the reason says it
	}
	c.Fingerprint, c.NotBefore, c.NotAfter = bundle.Fingerprint(b.Leaf), b.Leaf.NotBefore, b.Leaf.NotAfter
	s.deployments(ctx, &c, b)
	c.Next = c.next()
	return c, nil
}

// known is what the configuration and the journals say, whatever the time.
func (s standing) known() CertificateStatus {
	c := CertificateStatus{
		Name: s.Name, Domains: s.Domains, Account: s.Account, Version: s.current, Held: s.rollout.Held != "",
		RenewsAt: s.renewsAt(), Deployments: []DeploymentStatus{},
	}
	if s.order != nil {
		c.Order = orderStatus(s.order)
	}
	for _, event := range []string{hooks.Issued, hooks.Deployed} {
		c.HookError = cmp.Or(c.HookError, s.rollout.Targets[event].Error)
	}
	c.FailedHooks = s.failedHooks()
	return c
}

// unreadable stands for a certificate whose state cannot be read.
func unreadable(certificate config.Certificate, err error) CertificateStatus {
	return CertificateStatus{Name: certificate.Name, Domains: certificate.Domains, Account: certificate.Account,
		Deployments: []DeploymentStatus{}, Error: err.Error(), Next: "see why its state cannot be read: " + err.Error()}
}

// failedHooks is one for each event whose hooks failed when they last ran.
func (s standing) failedHooks() []FailedCommand {
	var failed []FailedCommand
	for _, event := range []string{hooks.Issued, hooks.Deployed, hooks.Failed} {
		if f := commandStatus(s.rollout.Targets[event]); f != nil {
			f.Event = event
			failed = append(failed, *f)
		}
	}
	return failed
}

func commandStatus(state rollout.Target) *FailedCommand {
	if state.Command == nil {
		return nil
	}
	c := *state.Command
	return &FailedCommand{At: state.FailedAt, Program: c.Program, ExitCode: c.ExitCode, Output: c.Output}
}

func orderStatus(o *order.Order) *OrderStatus {
	return &OrderStatus{
		Step: string(o.Step()), Reason: o.Reason, Instance: o.Instance, Adopted: o.Adopted,
		OpenedAt: o.OpenedAt, Submitted: o.SubmittedAt, ServerSays: o.Status, WaitsFor: o.Waiting,
		Error: o.Error, Hint: o.Hint, RetryAt: o.Until, Stopped: o.Stopped,
		Transient: o.Transient,
	}
}

func (s standing) deployments(ctx context.Context, c *CertificateStatus, b *bundle.Bundle) {
	c.Deployed = true
	probed, shown := 0, 0
	for i, drift := range deploy.InspectAll(ctx, s.Deploy, b) {
		target := s.Deploy[i]
		if len(target.Probe) > 0 {
			probed++
		}
		if drift.Shown {
			shown++
		}
		c.Deployed = c.Deployed && len(drift.Files) == 0
		c.Deployments = append(c.Deployments, deploymentStatus(target, s.rollout.Targets[target.ID()], drift, b))
	}
	c.Served = probed > 0 && shown == probed
}

func deploymentStatus(target deploy.Target, state rollout.Target, drift deploy.Drift, b *bundle.Bundle) DeploymentStatus {
	d := DeploymentStatus{
		Target: target.String(), Paths: target.Paths(), Version: state.Version, Lacks: drift.Files,
		Served: drift.Shown && drift.InPlace, Warnings: drift.Warnings, Error: state.Error, Hint: state.Hint, RetryAt: state.Until,
		FailedCommand: commandStatus(state),
	}
	for _, listener := range drift.Served {
		d.Probes = append(d.Probes, listener.Describe(b))
	}
	return d
}

// next says, from the rest, in words what comes, or what a person has to do.
func (c CertificateStatus) next() string {
	switch o := c.Order; {
	case o != nil && o.Stopped:
		return "a person is asked: " + o.Hint
	case o != nil && o.Error != "" && o.Hint != "":
		return o.Hint
	case o != nil && o.Step != string(order.Done):
		return "the order goes on at the step " + o.Step
	case c.Reason != "":
		return "an order is due: " + c.Reason
	}
	for _, d := range c.Deployments {
		switch {
		case d.Error != "" && d.Hint != "":
			return d.Hint
		case d.Error != "" || len(d.Lacks) > 0:
			return "the deployment to " + d.Target + " is owed"
		case len(d.Probes) > 0 && !d.Served:
			return "the server at " + d.Target + " does not serve it yet"
		}
	}
	if c.HookError != "" {
		return "a hook is owed; mend it, and it is run again"
	}
	if c.Held {
		return fmt.Sprintf("held at version %s; to end that: dvagent deploy --latest %s", c.Version, c.Name)
	}
	return "nothing until " + c.RenewsAt.UTC().Format(time.RFC3339)
}

// orphans finds open orders of certificates that are not configured.
func (a *Agent) orphans(now time.Time) ([]OrphanStatus, error) {
	directories, err := os.ReadDir(filepath.Join(a.config.StateDir, "certificates"))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("look for open orders: %w", err)
	}
	configured := map[string]bool{}
	for _, certificate := range a.config.Certificates {
		configured[certificate.Name] = true
	}
	var orphans []OrphanStatus
	for _, directory := range directories {
		name := directory.Name()
		if configured[name] || !directory.IsDir() {
			continue
		}
		switch o, err := order.Load(a.dir(name)); {
		case err != nil:
			orphans = append(orphans, OrphanStatus{Certificate: name, Error: err.Error(),
				Next: "see why its state cannot be read: " + err.Error()})
		case o != nil && o.Step() != order.Done:
			orphans = append(orphans, OrphanStatus{Certificate: name, Order: *orderStatus(o),
				Next: "put the certificate back into the configuration, or: dvagent abandon " + name})
		}
	}
	return orphans, nil
}

func (a *Agent) owedRecords() ([]RecordStatus, error) {
	owed, err := order.LoadOwed(a.config.StateDir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var records []RecordStatus
	for _, entry := range owed.All() {
		records = append(records, RecordStatus{Certificate: entry.Certificate, Zone: entry.Record.Zone,
			Name: entry.Record.Name, RecordID: entry.Record.RecordID})
	}
	return records, nil
}
