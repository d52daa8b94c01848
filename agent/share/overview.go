package share

import (
	"context"
	"maps"
	"slices"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
)

// Overview is a fleet as it is shown.
type Overview struct {
	Certificates []Shared `json:"certificates"`
	Hosts        []Member `json:"hosts"`
}

// Shared is a certificate of the fleet.
type Shared struct {
	Name        string         `json:"name"`
	State       State          `json:"state"`
	Version     string         `json:"version,omitempty"`
	NotAfter    time.Time      `json:"not_after,omitzero"`
	Newest      string         `json:"newest,omitempty"` // where that was rolled back from
	PublishedBy string         `json:"published_by,omitempty"`
	PublishedAt time.Time      `json:"published_at,omitzero"`
	OrderedBy   string         `json:"ordered_by,omitempty"` // who works on an order now
	Canaries    []Canary       `json:"canaries"`
	Serving     map[string]int `json:"serving"` // how many hosts serve each version
}

// Canary is a host that tries the version before the others.
type Canary struct {
	Host  string    `json:"host"`
	State string    `json:"state"` // trying, served or failed
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`
}

// Failed says that the host did not come to serve the version.
func (c Canary) Failed() bool { return c.State == string(fleet.Failed) }

// Works says that the host has not said yet how it fares.
func (c Canary) Works() bool { return c.State == string(fleet.Trying) }

// Member is a host of the fleet.
type Member struct {
	Host     string            `json:"host"`
	At       time.Time         `json:"at"` // when it was heard of
	Versions map[string]string `json:"versions"`
}

// State is how far a version has come.
type State string

const (
	None     State = "none"     // nothing was published
	Damaged  State = "damaged"  // what was published cannot be read
	Trying   State = "trying"   // canaries try it
	Held     State = "held"     // a canary has failed
	Released State = "released" // all hosts install it
)

// ReadOverview asks etcd, and changes nothing.
func ReadOverview(ctx context.Context, f *fleet.Fleet, canaries int) (Overview, error) {
	o := Overview{Certificates: []Shared{}, Hosts: []Member{}}
	rollouts, _, err := f.Rollouts(ctx)
	if err != nil {
		return o, err
	}
	hosts, err := f.Hosts(ctx)
	if err != nil {
		return o, err
	}
	holders, err := f.Holders(ctx)
	if err != nil {
		return o, err
	}
	all := map[string]*Shared{}
	shared := func(name string) *Shared {
		if all[name] == nil {
			all[name] = &Shared{Name: name, State: None, Canaries: []Canary{}, Serving: map[string]int{}}
		}
		return all[name]
	}
	for name, r := range rollouts {
		shared(name).describe(r, canaries)
	}
	for _, h := range hosts {
		o.Hosts = append(o.Hosts, Member{h.Name, h.At, h.Versions})
		for name, version := range h.Versions {
			if version != "" {
				shared(name).Serving[version]++
			}
		}
	}
	for name, host := range holders {
		shared(name).OrderedBy = host
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		o.Certificates = append(o.Certificates, *all[name])
	}
	return o, nil
}

func (s *Shared) describe(r fleet.Rollout, canaries int) {
	if !r.Known() {
		s.State = Damaged
		return
	}
	s.Version, s.NotAfter, s.PublishedBy, s.PublishedAt = r.Version.ID, r.Version.NotAfter, r.By, r.At
	if r.RolledBack() {
		s.Newest = r.Newest.ID
	}
	for _, host := range slices.Sorted(maps.Keys(r.Tries)) {
		one := r.Tries[host]
		s.Canaries = append(s.Canaries, Canary{host, string(one.State), one.At, one.Error})
	}
	switch v, _ := gate(r, "", canaries, state.Now()); v {
	case open:
		s.State = Released
	case held:
		s.State = Held
	default:
		s.State = Trying
	}
}

// Release lets all hosts install the version that canaries hold back.
func Release(ctx context.Context, f *fleet.Fleet, name string) error {
	for try := 1; ; try++ {
		r, err := f.Rollout(ctx, name)
		if err != nil {
			return err
		}
		if !r.Known() {
			return &state.UnknownError{Name: name}
		}
		if _, err = f.Release(ctx, r); err == nil || try == changeTries {
			return err
		}
	}
}
