package issue

import (
	"iter"
	"maps"
	"slices"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// Spare counts, for each account whose instances were listed in this pass,
// those that are free.
func (d *Desk) Spare() map[string]state.Spares {
	d.mu.Lock()
	defer d.mu.Unlock()
	spare := map[string]state.Spares{}
	for account, slots := range d.slots {
		spare[account] = sparesOf(d.spare(account, slots))
	}
	return spare
}

func sparesOf(slots []Slot) state.Spares {
	counted := state.Spares{}
	for _, slot := range slots {
		counted.Add(slot.Until)
	}
	return counted
}

// Spare counts the free slots that no certificate has claimed, and that some
// certificate of the account may use.
func Spare(cfg *config.Config, ledger *order.Instances, account string, slots []Slot) state.Spares {
	return sparesOf(spareOf(cfg, ledger, account, slots))
}

func spareOf(cfg *config.Config, ledger *order.Instances, account string, slots []Slot) []Slot {
	mine := slices.DeleteFunc(slices.Clone(cfg.Certificates), func(c config.Certificate) bool { return c.Account != account || c.Apart() })
	var spare []Slot
	for _, slot := range slots {
		mayUse := func(c config.Certificate) bool { return slot.Fits(c, c.Domains) }
		free := slot.Use == Free && ledger.Holder(order.Instance{Account: account, ID: slot.ID}) == ""
		if free && slices.ContainsFunc(mine, mayUse) {
			spare = append(spare, slot)
		}
	}
	return spare
}

// spare leaves out what was submitted since the slots may have been listed. The mutex
// must be held.
func (d *Desk) spare(account string, slots []Slot) []Slot {
	return slices.DeleteFunc(spareOf(d.host.Config, d.ledger, account, slots), func(s Slot) bool { return d.used[order.Instance{Account: account, ID: s.ID}] })
}

// noteUsed takes an instance out of the lists of this pass.
func (d *Desk) noteUsed(i order.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used[i] = true
}

// noteSpare remembers what was listed, and tells how many are spare.
func (d *Desk) noteSpare(account string, slots []Slot) {
	d.mu.Lock()
	d.slots[account] = slots
	free := d.spare(account, slots)
	until := map[string]time.Time{}
	for _, slot := range free {
		until[slot.ID] = slot.Until
	}
	spares := sparesOf(free)
	d.counted[account], d.spares[account] = until, spares
	seen := maps.Clone(spares)
	d.mu.Unlock()
	d.host.Observe(state.Spare{Account: account, Instances: seen})
}

// noteTaken takes a slot that was claimed off those that are spare, and tells how many
// are left.
func (d *Desk) noteTaken(i order.Instance) {
	d.mu.Lock()
	if until, counted := d.counted[i.Account][i.ID]; counted {
		delete(d.counted[i.Account], i.ID)
		d.spares[i.Account].Remove(until)
	}
	left := maps.Clone(d.spares[i.Account])
	d.mu.Unlock()
	d.host.Observe(state.Spare{Account: i.Account, Instances: left})
}

// isUsed says that an instance was submitted in this pass.
func (d *Desk) isUsed(i order.Instance) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used[i]
}

// reserved are the instances on the lists of certificates.
func reserved(certificates []config.Certificate) map[order.Instance]bool {
	all := map[order.Instance]bool{}
	for _, c := range certificates {
		for _, id := range c.Instances {
			all[order.Instance{Account: c.Account, ID: id}] = true
		}
	}
	return all
}

// spares are the slots of a list that may take an order, in groups of those that are
// alike.
type spares struct{ groups [][]Slot }

func newSpares(slots []Slot) *spares {
	s := &spares{}
	for _, slot := range slots {
		if slot.Use != Free && slot.Use != Again {
			continue
		}
		last := len(s.groups) - 1
		if last < 0 || !alike(s.groups[last][0], slot) {
			s.groups, last = append(s.groups, nil), last+1
		}
		s.groups[last] = append(s.groups[last], slot)
	}
	return s
}

const oneDay = 24 * time.Hour

func alike(a, b Slot) bool {
	return a.Use == b.Use && a.Test == b.Test && a.Until.Truncate(oneDay).Equal(b.Until.Truncate(oneDay))
}

// from yields the slots, one group after the other, each round from a place of its
// own: hosts that share an account do not all begin with the same one.
func (s *spares) from(place uint64) iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for _, group := range s.groups {
			begin := int(place % uint64(len(group)))
			for i := range group {
				if !yield(group[(begin+i)%len(group)]) {
					return
				}
			}
		}
	}
}
