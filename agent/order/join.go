package order

import (
	"errors"
	"slices"
	"time"

	"dvagent/internal/clock"
)

// This file holds what the ledger of instances needs where several hosts keep it
// together.

// Common is where several hosts keep the ledger of instances together: what each of them
// wrote of an instance stands there under its name, in a form that this package knows.
type Common interface {
	// Author is who writes from here, such as "web-1 (1.4.0)": a host, and its version of
	// dvagent.
	Author() string
	// Read reads what stands there of all instances.
	Read() (map[Instance][]byte, error)
	// Write puts something else in the place of what stands there of an instance, if that
	// is what was read or written from here last. Else it writes nothing, and answers what
	// stands there now; nil: nothing does.
	Write(i Instance, value []byte) (written bool, meanwhile []byte, err error)
}

// mostConflicts bounds how often an entry is tried while others write beside it.
const mostConflicts = 10

var errConflict = errors.New("other hosts write the entries of one instance again and again")

// joint is a ledger's part in what several hosts keep.
type joint struct {
	Common
	told   map[Instance][]told // what stands there
	barred map[string]error    // by account: why nothing is written of its instances
}

// Join makes the ledger one that is kept with other hosts, and each further entry is
// written there first. What they wrote of an instance counts here from now on; what
// they lack, as after an old backup was put back, they are told. Where something that
// they wrote is not understood here, nothing more is noted of that account: see Barred.
func (l *Instances) Join(c Common, now time.Time) error {
	theirs, err := c.Read()
	if err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	j := &joint{c, map[Instance][]told{}, map[string]error{}}
	ours, learned := byInstance(l.entries), map[Instance][]instanceEntry{}
	for i := range ours {
		if _, known := theirs[i]; !known && !l.uses[i].over {
			theirs[i] = nil
		}
	}
	for i, value := range theirs {
		all, err := j.reconcile(i, ours[i], value)
		if err != nil {
			return err
		}
		if !equalEntries(l.worthKeeping(ours[i], now), worthKeeping(all, now)) {
			learned[i] = all
		}
	}
	if err := l.learn(learned); err != nil {
		return err
	}
	l.joint = j
	return nil
}

// Barred is why nothing may be ordered of an account: other hosts of the fleet wrote
// something of its instances that is not understood here. nil: nothing stands against it.
func (l *Instances) Barred(account string) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.joint == nil {
		return nil
	}
	return l.joint.barred[account]
}

// reconcile makes of both accounts of an instance one, which is known there then. Where
// theirs is not understood, ours stays, and the account is barred.
func (j *joint) reconcile(i Instance, ours []instanceEntry, value []byte) ([]instanceEntry, error) {
	for range mostConflicts {
		theirs, err := decode(i, value)
		if err != nil {
			j.barred[i.Account] = err
			return ours, nil
		}
		j.told[i] = theirs
		all := merge(theirs, ours)
		if len(all) == len(theirs) {
			return entriesOf(all), nil
		}
		written, meanwhile, err := j.write(i, all)
		if written || err != nil {
			return entriesOf(all), err
		}
		value = meanwhile
	}
	return nil, errConflict
}

// write puts entries there in the place of all that stand there.
func (j *joint) write(i Instance, entries []told) (written bool, meanwhile []byte, err error) {
	entries = latest(entries)
	value, err := encode(entries)
	if err != nil {
		return false, nil, err
	}
	written, meanwhile, err = j.Write(i, value)
	if written && err == nil {
		j.told[i] = entries
	}
	return written, meanwhile, err
}

// merge adds entries that are known here to those that the hosts have in common, which
// may have lost them: each one by its time.
func merge(theirs []told, ours []instanceEntry) []told {
	all := slices.Clone(theirs)
	for _, e := range ours {
		if slices.ContainsFunc(theirs, func(t told) bool { return t.same(e) }) {
			continue
		}
		at := len(all)
		for at > 0 && all[at-1].At.After(e.At) {
			at--
		}
		all = slices.Insert(all, at, told{instanceEntry: e})
	}
	return latest(all)
}

// mostEntries bounds what hosts keep together of one instance; the oldest entries go.
const mostEntries = 500

func latest(entries []told) []told { return entries[max(len(entries)-mostEntries, 0):] }

// learn puts what is known of some instances now in the place of what was known here.
// The mutex writing is held.
func (l *Instances) learn(known map[Instance][]instanceEntry) error {
	if len(known) == 0 {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(l.entries), func(e instanceEntry) bool { _, anew := known[e.of()]; return anew })
	for _, entries := range known {
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b instanceEntry) int { return a.At.Compare(b.At) })
	if err := l.log.Rewrite(all); err != nil {
		return err
	}
	l.replay(all)
	return nil
}

// share writes entries of one instance where the other hosts read them. It answers false
// where others have written of the instance meanwhile, which is known here then. The mutex
// writing is held.
func (l *Instances) share(entries []instanceEntry) (shared bool, err error) {
	i, j := entries[0].of(), l.joint
	if err := j.barred[i.Account]; err != nil {
		return false, err
	}
	all := slices.Clone(j.told[i])
	for n := range entries {
		entries[n].By = j.Author()
		all = append(all, told{instanceEntry: entries[n]})
	}
	written, meanwhile, err := j.write(i, all)
	if written || err != nil {
		return err == nil, err
	}
	known, err := j.reconcile(i, byInstance(l.entries)[i], meanwhile)
	if err != nil {
		return false, err
	}
	return false, l.learn(map[Instance][]instanceEntry{i: known})
}

func (e instanceEntry) of() Instance { return Instance{e.Account, e.Instance} }

// same says that two entries are one.
func (e instanceEntry) same(other instanceEntry) bool {
	return e.At.Equal(other.At) && e.Kind == other.Kind && e.of() == other.of() && e.Certificate == other.Certificate
}

func byInstance(entries []instanceEntry) map[Instance][]instanceEntry {
	all := map[Instance][]instanceEntry{}
	for _, e := range entries {
		all[e.of()] = append(all[e.of()], e)
	}
	return all
}

func equalEntries(a, b []instanceEntry) bool { return slices.EqualFunc(a, b, instanceEntry.same) }

// worthKeeping leaves out what Compact would drop of the entries of one instance.
func worthKeeping(entries []instanceEntry, now time.Time) []instanceEntry {
	alone := &Instances{}
	alone.replay(entries)
	return alone.worthKeeping(entries, now)
}

// after is a time for a further entry of an instance: now, or right after the last
// one where the clock of the host that wrote it is ahead.
func (l *Instances) after(i Instance) time.Time {
	at := clock.Now()
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
