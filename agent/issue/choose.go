package issue

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// claim takes the first spare slot that nobody else may have, and rather one
// that is for all names than one that is for wildcards, whose parents come along.
func (w *work) claim(slots []Slot) error {
	for _, whole := range []bool{true, false} {
		for slot := range w.lists.spares.from(w.place()) {
			if slot.holds(w.order.Domains) != whole || w.desk.isUsed(w.instance(slot)) || !w.usable(slot) {
				continue
			}
			taken, err := w.take(slot)
			if taken {
				w.desk.noteTaken(w.instance(slot))
			}
			if err != nil || taken {
				return err
			}
		}
	}
	unfit := 0
	for _, slot := range slots {
		if slot.Use == Free && !w.desk.isUsed(w.instance(slot)) && !slot.Fits(w.snapshot.Config, w.order.Domains) {
			unfit++
		}
	}
	return w.noInstance(len(slots), unfit)
}

// place is where this host and certificate begin among slots that are alike.
func (w *work) place() uint64 {
	hash := fnv.New64a()
	fmt.Fprintln(hash, w.desk.host.Place, w.name())
	return hash.Sum64()
}

func (w *work) instance(s Slot) order.Instance {
	return order.Instance{Account: w.order.Account, ID: s.ID}
}

// usable says that the order may be placed on a slot that is not kept for it: on
// an untouched one, or one that the certificate had before.
func (w *work) usable(s Slot) bool {
	had := cmp.Or(w.desk.ledger.Holder(w.instance(s)), w.desk.ledger.Had(w.instance(s))) == w.name()
	free := s.Use == Free || s.takesAnother(state.Now()) && had
	return free && w.allowed(s.ID) && s.Fits(w.snapshot.Config, w.order.Domains) && !w.refusedTo(s)
}

// refusedTo says that the server refused the slot to the certificate. An operator
// who insists has it tried again, once in his run.
func (w *work) refusedTo(s Slot) bool {
	at, here := w.order.GivenBack[s.ID]
	again := w.forced && !(here && at.After(w.desk.scope.Since))
	return !again && w.desk.ledger.RefusedTo(w.instance(s), w.name())
}

// Fits says that the slot is for so many names, and of a kind that the
// certificate may consume.
func (s Slot) Fits(c config.Certificate, domains []string) bool {
	return (!s.Test || c.TestInstances) && s.holds(config.WithoutParents(domains))
}

// holds says that the slot is for so many names, as far as is told.
func (s Slot) holds(domains []string) bool {
	wildcards := 0
	for _, domain := range domains {
		if domain[0] == '*' {
			wildcards++
		}
	}
	return !s.Counted || len(domains)-wildcards <= s.Names && wildcards <= s.Wildcards
}

// allowed is allows, for the account that the order is placed on.
func (w *work) allowed(instance string) bool {
	c := w.snapshot.Config
	c.Account = w.order.Account
	return w.desk.allows(c, instance)
}

// instanceError says that nothing is left to order with.
type instanceError struct{ text string }

func (e *instanceError) Error() string { return e.text }

// Cause is for state.Cause.
func (e *instanceError) Cause() string { return order.CauseNoInstance }

func (w *work) noInstance(slots, unfit int) error {
	err := &instanceError{fmt.Sprintf("no spare instance among the %d of account %s", slots, w.order.Account)}
	advice := "buy a DV instance; the next poll finds it by itself"
	if unfit > 0 {
		err = &instanceError{fmt.Sprintf("no spare instance of account %s is for %s", w.order.Account, strings.Join(w.order.Domains, ", "))}
		advice = fmt.Sprintf("buy a DV instance for so many names and wildcards (%d that are free are for fewer, or for tests)", unfit)
	}
	if w.desk.ledger.AnyRefusedTo(w.order.Account, w.name()) {
		advice = "instances were refused to it before; to try them again: dvagent renew --force " + w.name()
	}
	if own := w.snapshot.Config.Instances; len(own) > 0 {
		err = &instanceError{fmt.Sprintf("no spare instance: none of the %d that it may consume is free", len(own))}
		advice = "add one to its instances, or buy one"
	}
	return hint.Add(err, advice)
}
