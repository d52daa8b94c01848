package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// This file holds what the ledger of instances needs where several hosts keep it
// together.

// Common is where several hosts keep the ledger of instances together: the entries of
// each instance, the oldest first, each one a line of JSON.
type Common interface {
	// Read reads the entries of all instances.
	Read() (map[Instance][][]byte, error)
	// Append adds an entry to those of an instance, unless somebody else did so since
	// they were read here. Then it answers all that there are now, and adds nothing.
	Append(i Instance, entry []byte) (meanwhile [][]byte, err error)
}

// mostConflicts bounds how often an entry is tried while others write beside it.
const mostConflicts = 10

var errConflict = errors.New("other hosts write the entries of one instance again and again")

// Join makes the ledger one that is kept with other hosts, and each further entry is
// written there first. What they wrote of an instance counts here from now on; what
// they lack, as after an old backup was put back, they are told.
func (l *Instances) Join(c Common, now time.Time) error {
	theirs, err := c.Read()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ours := byInstance(l.entries)
	for i, lines := range theirs {
		entries, err := decode(i, lines)
		if err != nil {
			return err
		}
		if err := l.reconcile(c, i, ours[i], entries, now); err != nil {
			return err
		}
	}
	for i, entries := range ours {
		if _, known := theirs[i]; !known && !l.uses[i].over {
			if err := pass(c, i, entries); err != nil {
				return err
			}
		}
	}
	l.common = c
	return nil
}

// reconcile makes both accounts of one instance one.
func (l *Instances) reconcile(c Common, i Instance, ours, theirs []instanceEntry, now time.Time) error {
	if ahead := len(ours) > len(theirs) && equalEntries(ours[:len(theirs)], theirs); ahead {
		return pass(c, i, ours[len(theirs):])
	}
	if equalEntries(l.worthKeeping(ours, now), worthKeeping(theirs, now)) {
		return nil
	}
	return l.learn(i, theirs)
}

// pass adds entries of ours to those that the hosts have in common. Where somebody
// else does so at the same time, the next Join sees to it.
func pass(c Common, i Instance, entries []instanceEntry) error {
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if meanwhile, err := c.Append(i, line); err != nil || meanwhile != nil {
			return err
		}
	}
	return nil
}

// learn puts what the hosts know of an instance in the place of what is known here.
// The mutex must be held.
func (l *Instances) learn(i Instance, entries []instanceEntry) error {
	all := slices.DeleteFunc(slices.Clone(l.entries), func(e instanceEntry) bool { return e.of() == i })
	all = append(all, entries...)
	slices.SortStableFunc(all, func(a, b instanceEntry) int { return a.At.Compare(b.At) })
	if err := l.log.Rewrite(all); err != nil {
		return err
	}
	l.replay(all)
	return nil
}

// share writes an entry where the other hosts read it. It answers false where others
// have written of the instance meanwhile, which is known here then. The mutex must be
// held.
func (l *Instances) share(e instanceEntry) (shared bool, err error) {
	line, err := json.Marshal(e)
	if err != nil {
		return false, err
	}
	meanwhile, err := l.common.Append(e.of(), line)
	if err != nil || meanwhile == nil {
		return err == nil, err
	}
	entries, err := decode(e.of(), meanwhile)
	if err != nil {
		return false, err
	}
	return false, l.learn(e.of(), entries)
}

func (e instanceEntry) of() Instance { return Instance{e.Account, e.Instance} }

func byInstance(entries []instanceEntry) map[Instance][]instanceEntry {
	all := map[Instance][]instanceEntry{}
	for _, e := range entries {
		all[e.of()] = append(all[e.of()], e)
	}
	return all
}

// decode reads entries that other hosts wrote. Those that are not of the instance, or
// say what is not known here, are refused: one of them may tell of a submission.
func decode(i Instance, lines [][]byte) ([]instanceEntry, error) {
	entries := make([]instanceEntry, len(lines))
	for n, line := range lines {
		err := json.Unmarshal(line, &entries[n])
		if err == nil && (entries[n].of() != i || !slices.Contains(instanceUses, entries[n].Kind) || entries[n].At.IsZero()) {
			err = errors.New("it is not an entry of that instance")
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d of instance %s, as the fleet has it: %w", n+1, i.ID, err)
		}
	}
	return entries, nil
}

// instanceUses are all that an entry may say.
var instanceUses = []InstanceUse{InstanceClaimed, InstanceSubmitted, InstanceUnapplied, InstanceKept, InstanceEnds, InstanceReleased,
	InstanceEmpty, InstanceRefused, InstanceAbandoned, InstanceFree, InstanceForeign}

func equalEntries(a, b []instanceEntry) bool {
	return slices.EqualFunc(a, b, func(x, y instanceEntry) bool {
		return x.At.Equal(y.At) && x.Kind == y.Kind && x.of() == y.of() && x.Certificate == y.Certificate
	})
}

// worthKeeping leaves out what Compact would drop of the entries of one instance.
func worthKeeping(entries []instanceEntry, now time.Time) []instanceEntry {
	alone := &Instances{}
	alone.replay(entries)
	return alone.worthKeeping(entries, now)
}

// after is a time for a further entry of an instance: now, or right after the last
// one where the clock of the host that wrote it is ahead.
func (l *Instances) after(i Instance) time.Time {
	at := now()
	for _, e := range slices.Backward(l.entries) {
		if e.of() == i {
			if !at.After(e.At) {
				at = e.At.Add(1)
			}
			break
		}
	}
	return at
}
