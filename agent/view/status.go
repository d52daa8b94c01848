// Package view says how everything stands, and what comes: the plan, the status
// and the glance, from the state directory and, where it is asked for, from the
// targets and their probes. It changes nothing, takes no lock and calls no API.
package view

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"dvagent/internal/words"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/notice"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/agent/seal"
	"dvagent/agent/state"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/journal"
)

// Status is how everything stands, as `status --json` prints it.
type Status struct {
	At           time.Time           `json:"at"`
	Service      *ServiceStatus      `json:"service,omitempty"`    // the one that runs, if one does
	LastPass     *state.Passed       `json:"last_pass,omitempty"`  // when all that is configured was last looked at
	Unattended   *state.Unattended   `json:"unattended,omitempty"` // where no service runs
	StateDir     string              `json:"state_dir"`
	Certificates []CertificateStatus `json:"certificates"`
	Orphans      []OrphanStatus      `json:"orphans,omitempty"` // open orders of certificates that are not configured
	Records      []RecordStatus      `json:"owed_records,omitempty"`
	Damaged      []DamagedFile       `json:"damaged_files,omitempty"`
	Notify       []ChannelStatus     `json:"notify,omitempty"` // channels that could not be told
}

// DamagedFile is a journal or a ledger with lines that cannot be read, one of
// which may have told of a submission, or a file or directory that cannot be read at all.
type DamagedFile struct {
	File  string `json:"file"`
	Lines int    `json:"lines"`
	Error string `json:"error,omitempty"` // why nothing of it can be read
}

// ChannelStatus is a [[notify]] that failed.
type ChannelStatus struct {
	Name    string    `json:"name"`
	Error   string    `json:"error"`
	RetryAt time.Time `json:"retry_at"`
}

// CertificateStatus is how one certificate stands.
type CertificateStatus struct {
	Name             string             `json:"name"`
	State            State              `json:"state"`
	Domains          []string           `json:"domains"`
	Account          string             `json:"account"`
	Version          string             `json:"version,omitempty"` // the current one
	Held             bool               `json:"held"`
	Fingerprint      string             `json:"fingerprint,omitempty"` // SHA-256 of the current version's leaf
	Issuer           string             `json:"issuer,omitempty"`      // of that leaf
	NotBefore        time.Time          `json:"not_before,omitzero"`
	NotAfter         time.Time          `json:"not_after,omitzero"`
	RenewsAt         time.Time          `json:"renews_at,omitzero"`
	Follows          bool               `json:"follows,omitempty"`          // it orders nothing
	FollowError      string             `json:"follow_error,omitempty"`     // why the last look at the account has failed
	FleetError       string             `json:"fleet_error,omitempty"`      // why the version that the fleet has published is not installed
	Reason           string             `json:"reason"`                     // why an order is due; empty when none is
	Instance         string             `json:"instance,omitempty"`         // that is claimed for it
	SubscriptionEnds time.Time          `json:"subscription_ends,omitzero"` // of the instance, where it is a subscription
	Package          string             `json:"package,omitempty"`          // that it is ordered from
	Left             *order.Left        `json:"package_left,omitempty"`     // of the package; nil: not known
	Warnings         []string           `json:"warnings,omitempty"`         // what may keep it from its renewal
	Order            *OrderStatus       `json:"order,omitempty"`
	Deployments      []DeploymentStatus `json:"deployments"`
	Deployed         bool               `json:"deployed"`             // every target holds the current version
	Served           bool               `json:"served"`               // every probe showed it, and there is one
	Upload           *UploadStatus      `json:"upload,omitempty"`     // where it is to be uploaded
	HookError        string             `json:"hook_error,omitempty"` // why a hook is owed
	FailedHooks      []FailedCommand    `json:"failed_hooks,omitempty"`
	Error            string             `json:"error,omitempty"` // why its state cannot be read
	Next             string             `json:"next"`            // what comes, or what to do, in words

	// What follows is there only where names are asked for.
	Untrusted string          `json:"untrusted,omitempty"` // why this host does not trust the current version's issuer
	API       *API            `json:"api,omitempty"`
	Versions  []VersionStatus `json:"versions,omitempty"` // newest first
	LastOrder *LastOrder      `json:"last_order,omitempty"`

	renewal    state.Renewal
	damage     []journal.Damage
	followHint string
	fleetHint  string
	fromFleet  bool
	hookHint   string
	refused    bool // what it follows, or what the fleet has published, for what does not pass by itself
}

// OrderStatus is an open order.
type OrderStatus struct {
	Step        string    `json:"step"`
	Reason      string    `json:"reason"`
	Instance    string    `json:"instance,omitempty"`
	Package     string    `json:"package,omitempty"`      // that it is from, in place of an instance
	ServerOrder string    `json:"server_order,omitempty"` // the server's, where it gave one
	API         string    `json:"api,omitempty"`          // the version of CAS's API that it is bound to
	Adopted     bool      `json:"adopted"`
	OpenedAt    time.Time `json:"opened_at"`
	Submitted   time.Time `json:"submitted_at,omitzero"`
	ServerSays  string    `json:"server_says,omitempty"` // OrderStatus, as last seen
	WaitsFor    string    `json:"waits_for,omitempty"`
	Error       string    `json:"error,omitempty"`
	Hint        string    `json:"hint,omitempty"`
	RetryAt     time.Time `json:"retry_at,omitzero"`
	Cause       string    `json:"-"`                   // the same for failures of one kind
	Stopped     bool      `json:"stopped"`             // an operator is asked
	Transient   bool      `json:"transient,omitempty"` // waiting may cure the error

	History []OrderEvent `json:"history,omitempty"` // where names are asked for
}

// DeploymentStatus is one target.
type DeploymentStatus struct {
	Target   string    `json:"target"` // its main file
	Paths    []string  `json:"paths"`
	Version  string    `json:"version,omitempty"`  // that it was last seen to hold and serve
	Lacks    []string  `json:"lacks,omitempty"`    // files that differ
	Keeps    string    `json:"keeps,omitempty"`    // the newer pair of somebody else's that stays there
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
	File        string `json:"file,omitempty"` // in place of a record; Zone is its webroot then, and Name its URL
}

// probedAtOnce bounds the certificates whose targets are read and probed side by
// side. A probe that nobody answers takes seconds.
const probedAtOnce = 128

// ReadStatus reads the state directory and shakes hands with the probes. It
// needs no lock. With names, only those certificates are read; an unknown one is
// a *state.UnknownError.
func ReadStatus(ctx context.Context, host *state.Host, now time.Time, names ...string) (Status, error) {
	selected, err := host.Selected(names)
	if err != nil {
		return Status{}, err
	}
	status := Status{At: now, StateDir: host.Config.StateDir, LastPass: host.Dir.Passed()}
	var certificates []config.Certificate
	for _, certificate := range host.Config.Certificates {
		if selected[certificate.Name] {
			certificates = append(certificates, certificate)
		}
	}
	status.Certificates = make([]CertificateStatus, len(certificates))
	holdings := readHoldings(host.Dir)
	seals := make([]seal.Seal, len(certificates)) // what is asked for by name is read in full
	if len(names) == 0 {
		seals = host.Sealed(ctx, now)
	}
	var group errgroup.Group
	group.SetLimit(probedAtOnce)
	for i, certificate := range certificates {
		group.Go(func() error {
			c := certificateStatus(ctx, host, certificate, holdings.of(certificate), now, seals[i] != seal.Seal{})
			status.Certificates[i] = c
			if c.Error == "" && len(names) > 0 {
				addDetail(host, &status.Certificates[i])
			}
			return nil
		})
	}
	_ = group.Wait() // what cannot be read says so itself
	if len(names) > 0 {
		return status, nil
	}
	status.addLedgers(host, holdings)
	return status, nil
}

func failedChannels(host *state.Host) ([]ChannelStatus, error) {
	book, err := notice.Load(host.Dir.Notices())
	if err != nil {
		return nil, err
	}
	var failed []ChannelStatus
	for _, channel := range host.Config.Notify {
		if c := book.Channels[channel.Name]; c != nil && c.Error != "" {
			failed = append(failed, ChannelStatus{Name: channel.Name, Error: c.Error, RetryAt: c.Until})
		}
	}
	return failed, nil
}

// certificateStatus believes of a sealed certificate that its files are in place.
func certificateStatus(ctx context.Context, host *state.Host, certificate config.Certificate, has holding, now time.Time, sealed bool) CertificateStatus {
	s, err := host.Dir.Read(certificate)
	if err != nil {
		return unreadable(certificate, err)
	}
	c := known(s, host.Config.Fleet)
	c.Reason = s.Due(now)
	c.foresee(has.renewal(s, now), now)
	if sealed && filesTell(s) {
		c.identify(s.Leaf)
		c.inPlace(s)
	} else if s.Current != "" {
		b, err := bundle.Load(s.Store.Path(s.Current))
		if err == nil { // else the reason says it
			c.identify(b.Leaf)
			c.inspect(ctx, host, s, b, now)
		}
	}
	c.warnOfHold()
	c.Next, c.State = c.next(), c.state(now)
	if _, warning := takeOver(host, s, now, false); warning != "" {
		c.Warnings = append(c.Warnings, warning)
	}
	return c
}

// known is what the configuration and the journals say, whatever the time.
func known(s state.Snapshot, fleet config.Fleet) CertificateStatus {
	c := CertificateStatus{
		Name: s.Config.Name, Domains: s.Config.Domains, Account: s.Config.Account, Version: s.Current, Held: s.Rollout.Held != "", Follows: s.Config.Follow,
		RenewsAt: s.RenewsAt(), Deployments: []DeploymentStatus{}, Upload: uploadStatus(s), damage: s.Damage(), Package: s.Config.Package,
		fromFleet: s.Config.FromFleet,
	}
	if s.Order != nil {
		c.Order = orderStatus(s.Order)
	}
	if s.Config.Follow {
		failure, _ := s.FollowFailure()
		c.FollowError, c.followHint, c.refused = failure.Text, failure.Hint, failure.Text != "" && !failure.Passes
	}
	if failure := s.FleetFailure(); !fleet.Alone() && failure.Text != "" {
		c.FleetError, c.fleetHint, c.refused = failure.Text, failure.Hint, c.refused || !failure.Passes
	}
	for _, event := range []string{hooks.Issued, hooks.Deployed} {
		if f := s.Rollout.Targets[event].Failure; c.HookError == "" {
			c.HookError, c.hookHint = f.Text, f.Hint
		}
	}
	c.FailedHooks = failedHooks(s.Rollout)
	return c
}

// unreadable stands for a certificate whose state cannot be read.
func unreadable(certificate config.Certificate, err error) CertificateStatus {
	return CertificateStatus{Name: certificate.Name, Domains: certificate.Domains, Account: certificate.Account, Follows: certificate.Follow,
		Deployments: []DeploymentStatus{}, State: Unreadable, Error: err.Error(), Next: seeWhy(err)}
}

func seeWhy(err error) string { return "see why its state cannot be read: " + err.Error() }

// failedHooks is one for each event whose hooks failed when they last ran.
func failedHooks(r *rollout.Rollout) []FailedCommand {
	var failed []FailedCommand
	for _, event := range []string{hooks.Issued, hooks.Deployed, hooks.Failed} {
		if f := failedCommand(r.Targets[event].Failure); f != nil {
			f.Event = event
			failed = append(failed, *f)
		}
	}
	return failed
}

func failedCommand(f rollout.Failure) *FailedCommand {
	if f.Command == nil {
		return nil
	}
	return &FailedCommand{At: f.At, Program: f.Command.Program, ExitCode: f.Command.ExitCode, Output: f.Command.Output}
}

func orderStatus(o *order.Order) *OrderStatus {
	f := o.Failure
	return &OrderStatus{
		Step: string(o.Step()), Reason: o.Reason, Instance: bought(o.Instance, o.Package), Package: o.Package, ServerOrder: o.ServerOrder,
		API: o.API, Adopted: o.Adopted, OpenedAt: o.OpenedAt, Submitted: o.SubmittedAt, ServerSays: o.Status, WaitsFor: o.Waiting,
		Error: f.Text, Hint: f.Hint, Cause: f.Cause, RetryAt: f.Until, Stopped: f.Stopped, Transient: f.Transient,
	}
}

// foresee says which instance or package the renewal would be of, and warns where
// it does not last for it.
func (c *CertificateStatus) foresee(r state.Renewal, now time.Time) {
	c.renewal, c.Instance, c.SubscriptionEnds, c.Left = r, bought(r.Claim.Instance, r.Claim.Package), r.Claim.Until, r.Left
	if short := r.Shortfall(c.Name, now); short != "" {
		c.Warnings = append(c.Warnings, short)
	}
}

// warnOfHold warns where the version that was rolled back to ends before the newest one is
// due: no renewal comes in time for what is served.
func (c *CertificateStatus) warnOfHold() {
	if c.Held && !c.NotAfter.IsZero() && c.NotAfter.Before(c.RenewsAt) {
		c.Warnings = append(c.Warnings, fmt.Sprintf("version %s, at which it is held, ends on %s, before the renewal on %s: dvagent renew --force %s brings another one, dvagent deploy --latest %s ends the hold here",
			c.Version, words.Date(c.NotAfter), words.Date(c.RenewsAt), c.Name, c.Name))
	}
}

// HookAdvice is what to do about HookError.
func (c CertificateStatus) HookAdvice() string {
	return cmp.Or(c.hookHint, "mend the hook; it is run again by itself")
}

// next says, from the rest, in words what comes, or what an operator has to do.
func (c CertificateStatus) next() string {
	switch o := c.Order; {
	case o != nil && o.Stopped:
		return "an operator is needed: " + o.Hint
	case o != nil && o.Error != "" && o.Hint != "":
		return o.Hint
	case o != nil && o.Step != string(order.Done):
		return "the order goes on at the step " + o.Step
	case c.FollowError != "" && c.followHint != "":
		return c.followHint
	case c.FleetError != "" && c.fleetHint != "":
		return c.fleetHint
	case c.refused:
		return "an operator is needed: " + cmp.Or(c.FollowError, c.FleetError)
	case c.Reason != "" && c.fromFleet:
		return "follows: waits for the fleet: " + c.Reason
	case c.Reason != "" && c.Follows:
		return "follows: waits for a certificate with a key in the account: " + c.Reason
	case c.Reason != "":
		return "an order is due: " + c.Reason
	}
	for _, d := range c.Deployments {
		switch {
		case d.Error != "" && d.Hint != "":
			return d.Hint
		case d.Keeps != "":
			continue
		case d.Error != "" || len(d.Lacks) > 0:
			return "the deployment to " + d.Target + " is owed"
		case len(d.Probes) > 0 && !d.Served:
			return "the server at " + d.Target + " does not serve it yet"
		}
	}
	if d := c.keeper(); d != nil {
		return fmt.Sprintf("%s keeps %s; to install version %s there: dvagent deploy %s", d.Target, d.Keeps, c.Version, c.Name)
	}
	if next := c.Upload.next(); next != "" {
		return next
	}
	if c.HookError != "" {
		return c.HookAdvice()
	}
	if c.Held {
		return fmt.Sprintf("held at version %s; to end that: dvagent deploy --latest %s", c.Version, c.Name)
	}
	nothing := "nothing until " + words.Minute(c.RenewsAt)
	switch {
	case c.Follows:
		return "follows; " + nothing
	case len(c.Warnings) == 0:
		return nothing
	case c.Package != "":
		return nothing + ", then from package " + c.Package + ", which has none left"
	}
	return nothing + ", then of another instance: this one is a subscription until " + words.Date(c.SubscriptionEnds)
}
