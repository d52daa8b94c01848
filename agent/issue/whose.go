package issue

import (
	"crypto/x509"
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
// while there is none, of its challenges. Where a request of ours runs, the
// issuer has compared the keys, and what was issued is another's only if its
// names are, too.
func (w *work) whose(r Report) owner {
	if w.issuer.Terms().OwnKey {
		if leaf := w.forAnotherKey(r); leaf != nil && state.Uncovered(leaf, w.asked()) != "" {
			return others
		}
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

// forAnotherKey is the certificate of a report, if it is for another key than the
// one that was sent, else nil. An instance that yielded it may have taken our
// request afterwards.
func (w *work) forAnotherKey(r Report) *x509.Certificate {
	if w.order.Key == "" || !r.fetched(true) {
		return nil
	}
	leaf, err := bundle.LeafOf(r.Chain)
	if err != nil || bundle.LeafKeyID(leaf) == w.order.Key {
		return nil
	}
	return leaf
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

// errOtherKey says the same, where only the keys tell.
var errOtherKey = errors.New("the certificate that was issued there is for the private key of somebody else")

// assumed says that the order was never answered for: that it is ours is taken
// from its running where we had wanted it to.
func (w *work) assumed() bool {
	o := w.order
	return o.API == order.API2018 && !o.Adopted && o.RequestID == "" && !o.SubmittedAt.IsZero()
}

// isOthers says that what a report tells is not of our submission, where that can
// be: for our request, or where it was never answered for.
func (w *work) isOthers(r Report) bool {
	return (w.assumed() || w.issuer.Terms().OwnKey) && w.whose(r) == others
}
