package order

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"dvagent/internal/hint"
	"dvagent/internal/line"
)

// This file holds the form in which several hosts keep the entries of an instance.

// kept is what stands there of an instance. Each entry stays as its author wrote it: a
// later version may have more to say in one.
type kept struct {
	Entries []json.RawMessage `json:"entries"` // the oldest first
}

// told is an entry that the hosts have in common.
type told struct {
	instanceEntry
	text json.RawMessage // as it stands there; nil: it does not yet
}

func entriesOf(all []told) []instanceEntry {
	entries := make([]instanceEntry, len(all))
	for n, t := range all {
		entries[n] = t.instanceEntry
	}
	return entries
}

func encode(entries []told) ([]byte, error) {
	value := kept{make([]json.RawMessage, len(entries))}
	for n, t := range entries {
		if value.Entries[n] = t.text; t.text != nil {
			continue
		}
		text, err := json.Marshal(t.instanceEntry)
		if err != nil {
			return nil, err
		}
		value.Entries[n] = text
	}
	return json.Marshal(value)
}

// decode reads entries that hosts wrote; no value holds none. Those that are not of the
// instance, or say what is not known here, are refused: one of them may tell of a
// submission.
func decode(i Instance, value []byte) ([]told, error) {
	if value == nil {
		return nil, nil
	}
	var all kept
	if err := json.Unmarshal(value, &all); err != nil {
		return nil, strange(i, "", err)
	}
	entries := make([]told, len(all.Entries))
	for n, text := range all.Entries {
		e := &entries[n]
		e.text = text
		err := json.Unmarshal(text, &e.instanceEntry)
		switch {
		case err != nil:
		case e.of() != i || e.At.IsZero():
			err = errors.New("it is not an entry of that instance")
		case !slices.Contains(instanceUses, e.Kind):
			err = fmt.Errorf("%q is not known to this version of dvagent", e.Kind)
		}
		if err != nil {
			return nil, strange(i, line.Of(e.By), fmt.Errorf("entry %d: %w", n+1, err))
		}
	}
	return entries, nil
}

// strange says that entries which other hosts wrote are not understood.
func strange(i Instance, by string, err error) error {
	advice := fmt.Sprintf("nothing is ordered on account %s meanwhile; host %s wrote it: let this host have a dvagent that is not older; "+
		"if it is damage, delete the key instances/%s/%s from etcd, and the hosts tell again what they know of the instance",
		i.Account, cmp.Or(by, "?"), i.Account, i.ID)
	return hint.Add(fmt.Errorf("the entries of instance %s, as the fleet has them: %w", i.ID, err), advice)
}

// instanceUses are all that an entry may say.
var instanceUses = []InstanceUse{InstanceClaimed, InstanceSubmitted, InstanceUnapplied, InstanceKept, InstanceEnds, InstanceReleased,
	InstanceEmpty, InstanceRefused, InstanceAbandoned, InstanceFree, InstanceForeign}
