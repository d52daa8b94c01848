package view

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// VersionStatus is a stored version.
type VersionStatus struct {
	ID        string    `json:"id"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	Current   bool      `json:"current"`
}

// LastOrder is the order that ended last.
type LastOrder struct {
	Reason      string       `json:"reason"`
	Instance    string       `json:"instance,omitempty"`
	Package     string       `json:"package,omitempty"`      // that it was from, in place of an instance
	ServerOrder string       `json:"server_order,omitempty"` // the server's, where it gave one
	API         string       `json:"api,omitempty"`          // the version of CAS's API that it was bound to
	OpenedAt    time.Time    `json:"opened_at"`
	EndedAt     time.Time    `json:"ended_at,omitzero"`
	Outcome     string       `json:"outcome"` // issued, abandoned, let go, key lost or withdrawn
	History     []OrderEvent `json:"history"`
}

// OrderEvent is one fact of an order, in words.
type OrderEvent struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// API is the version of CAS's API that a certificate's account speaks.
type API struct {
	Configured string `json:"configured"`          // a version, or auto
	Version    string `json:"version,omitempty"`   // the configured one, or that of the latest order
	Announced  string `json:"announced,omitempty"` // by Alibaba, of the end of that version
}

func apiOf(account config.Account, latest string) *API {
	api := API{Configured: account.CASAPI, Version: account.CASAPI}
	if api.Configured == config.AutoAPI {
		api.Version = latest
	}
	api.Announced = account.Announced(api.Version)
	return &api
}

// Detail is a certificate of the glance with its versions and orders, read anew.
// One that the glance does not have is a *state.UnknownError.
func (g *Glance) Detail(host *state.Host, name string) (*Seen, error) {
	for i := range g.Certificates {
		if g.Certificates[i].Name != name {
			continue
		}
		seen := g.Certificates[i]
		if seen.Order != nil {
			order := *seen.Order // the glance is shared
			seen.Order = &order
		}
		if seen.Error != "" {
			return &seen, nil
		}
		addDetail(host, &seen.CertificateStatus)
		return &seen, nil
	}
	return nil, &state.UnknownError{Name: name}
}

// addDetail adds what is wanted only when one certificate is asked for. It warns of
// what of that cannot be read.
func addDetail(host *state.Host, c *CertificateStatus) {
	if err := c.addVersions(host); err != nil {
		c.Warnings = append(c.Warnings, "its versions cannot be read: "+err.Error())
	}
	if b, err := bundle.Load(host.Dir.Store(c.Name).Path(c.Version)); c.Version != "" && err == nil {
		if err := b.Trusted(host.Roots, state.Now()); err != nil {
			c.Untrusted = err.Error()
		}
	}
	latest := ""
	if c.Order != nil {
		latest = c.Order.API
	}
	last, err := c.addOrders(host.Dir.Certificate(c.Name))
	if err != nil {
		c.Warnings = append(c.Warnings, "its orders cannot be read: "+err.Error())
	}
	if c.fromFleet {
		return // it has no account
	}
	c.API = apiOf(host.Config.Accounts[c.Account], cmp.Or(latest, last))
}

func (c *CertificateStatus) addVersions(host *state.Host) error {
	store := host.Dir.Store(c.Name)
	ids, err := store.Versions()
	for _, id := range ids {
		version := VersionStatus{ID: id, Current: id == c.Version}
		if leaf, err := bundle.LoadLeaf(store.Path(id)); err == nil { // the reason says what is wrong with it
			version.NotBefore, version.NotAfter = leaf.NotBefore, leaf.NotAfter
		}
		c.Versions = append(c.Versions, version)
	}
	return err
}

// addOrders adds the facts of the open order, and the last one; api is what that one
// was bound to.
func (c *CertificateStatus) addOrders(dir string) (api string, err error) {
	open, last, err := order.History(dir)
	if c.Order != nil {
		c.Order.History = inWords(open)
	}
	if err != nil {
		return "", err
	}
	o, err := order.Last(dir)
	if err != nil || o == nil {
		return "", err
	}
	told := orderInWords(order.Past{Order: o, Facts: last})
	c.LastOrder = &told
	return o.API, nil
}

// Orders tells what is kept of a certificate's orders, configured or not: those
// that ended, the oldest first, and the open one, which has no outcome. Beside an error
// are those that can be read.
func Orders(dir state.Dir, name string) ([]LastOrder, error) {
	past, err := order.Archived(dir.Certificate(name))
	if err != nil {
		err = fmt.Errorf("read the orders of %s: %w", name, err)
	}
	open, openErr := order.Load(dir.Certificate(name))
	if openErr != nil {
		err = state.Also(err, fmt.Errorf("read the open order of %s: %w", name, openErr))
	}
	if open != nil {
		facts, _, _ := order.History(dir.Certificate(name)) // the last one is told above
		past = append(past, order.Past{Order: open, Facts: facts})
	}
	told := []LastOrder{}
	for _, p := range past {
		told = append(told, orderInWords(p))
	}
	return told, err
}

func orderInWords(p order.Past) LastOrder {
	o := p.Order
	return LastOrder{Reason: o.Reason, Instance: bought(o.Instance, o.Package), Package: o.Package, ServerOrder: o.ServerOrder, API: o.API,
		OpenedAt: o.OpenedAt, EndedAt: o.EndedAt, Outcome: string(o.Outcome), History: inWords(p.Facts)}
}

func inWords(facts []order.Fact) []OrderEvent {
	events := []OrderEvent{}
	for _, fact := range facts {
		if text := factInWords(fact); text != "" {
			events = append(events, OrderEvent{fact.At, text})
		}
	}
	return events
}

// factInWords is empty for a fact that the next one tells too.
func factInWords(f order.Fact) string {
	record := cmp.Or(f.Record, &order.Record{})
	named := record.Type() + " record " + record.Name
	if record.Kind == order.File {
		named = "file " + filepath.Join(record.Zone, record.RR)
	}
	switch f.Kind {
	case order.Opened:
		return "opened: " + f.Reason
	case order.Claimed:
		if f.Package != "" {
			return "chose package " + f.Package
		}
		return "claimed instance " + f.Instance
	case order.Keyed:
		return "made a private key"
	case order.Submitted:
		if f.Order != "" {
			return "submitted as order " + f.Order
		}
		return "submitted"
	case order.Unapplied:
		return "the submission had not arrived"
	case order.Refused:
		return "gave back what it had claimed: " + f.Error
	case order.Revoked:
		return "certificate " + f.Before + " was revoked before it was collected"
	case order.Seen:
		return fmt.Sprintf("the server calls the order %q", f.Status)
	case order.Challenged:
		return wanted(f.Challenges())
	case order.Added:
		return "wrote the " + named
	case order.Kept:
		return "left the " + named + " to whoever made it"
	case order.Visible:
		if record.Kind == order.File {
			return "each address shows the file"
		}
		return "the name servers show the record"
	case order.Collected:
		if f.Instance != "" {
			return fmt.Sprintf("stored version %s, which the account renewed by itself on instance %s", f.Version, f.Instance)
		}
		return "stored version " + f.Version
	case order.Removed:
		return "removed the " + named
	case order.Waiting:
		return "waited for " + f.Reason
	case order.Failed:
		return "failed: " + f.Error
	case order.Ended:
		return "ended: " + string(f.Outcome)
	}
	return ""
}

func wanted(challenges []order.Challenge) string {
	var all []string
	for _, c := range challenges {
		if c.Kind == order.File {
			all = append(all, "a file at http://"+c.Name)
		} else {
			all = append(all, fmt.Sprintf("a %s record at %s", c.Kind, c.Name))
		}
	}
	return "the CA wants to see " + strings.Join(all, ", ")
}
