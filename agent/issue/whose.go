package issue

import (
	"errors"
	"strings"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// owner says whose an order is that runs on an instance which several hosts may
// have chosen at the same time.
type owner int

const (
	unknown owner = iota // neither a challenge nor a certificate tells yet
	ours
	others
)

// whose goes by the names that an order is for: those of its certificate or,
// while there is none, of its challenges. For a request of ours the issuer has
// compared the keys.
func (w *work) whose(r Report) owner {
	if w.issuer.Terms().OwnKey {
		return ours
	}
	if r.fetched(false) {
		b, err := bundle.Parse(r.Chain, r.Key)
		switch {
		case err != nil:
			return unknown
		case state.Uncovered(b.Leaf, w.order.Domains) == "":
			return ours
		}
		return others
	}
	if len(r.Challenges) == 0 {
		return unknown
	}
	for _, c := range r.Challenges {
		if proves(c, w.order.Domains) == 0 {
			return others
		}
	}
	return ours
}

// provedBy is the host name below which a validation name lies.
func provedBy(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for strings.HasPrefix(name, "_") {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}

// errOthers says that somebody else was sooner on an instance.
var errOthers = errors.New("the order that runs there is for the names of somebody else")

// assumed says that the order was never answered for: that it is ours is taken
// from its running where we had wanted it to.
func (w *work) assumed() bool {
	o := w.order
	return o.API == order.API2018 && !o.Adopted && o.RequestID == "" && !o.SubmittedAt.IsZero()
}
