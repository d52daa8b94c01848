package order

// Pass has another certificate hold an instance as one does that holds it, by one write:
// kept, or with a submission, which counts for the other one from then on. It fails where
// that one does not hold it any more.
func (l *Instances) Pass(i Instance, from, to string) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	claim, submitted := l.ClaimOf(i.Account, from)
	note := func(use InstanceUse, certificate string) instanceEntry {
		return instanceEntry{Kind: use, Account: i.Account, Instance: i.ID, Certificate: certificate}
	}
	entries := []instanceEntry{note(InstanceReleased, from), claimed(i.Account, to, claim)}
	switch {
	case claim.Kept:
		entries = append(entries, note(InstanceKept, to))
	case submitted:
		again := note(InstanceSubmitted, to)
		again.Stock = claim.Stock
		entries = append([]instanceEntry{note(InstanceUnapplied, from)}, append(entries, again)...)
	}
	passed, err := l.recordWhere(func() bool { return l.uses[i].holder == from && claim.Instance == i.ID }, entries...)
	if err == nil && !passed {
		err = &unclaimedError{i, l.uses[i].holder}
	}
	return err
}
