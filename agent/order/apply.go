package order

import "time"

// apply is where facts become state. A fact that says that the order went on
// ends a run of failures; one that says that something is tried does not.
func (o *Order) apply(fact Fact) {
	switch fact.Kind {
	case Waiting:
		o.Waiting = fact.Reason
		return
	case Failed:
		o.failures = append(o.failures, fact.At)
		o.FailedAt = fact.At
		o.Error, o.Hint, o.Until, o.Stopped, o.Transient = fact.Error, fact.Hint, fact.Until, fact.Stopped, fact.Transient
		return
	}
	if fact.Kind != Submitting && fact.Kind != Unapplied && fact.Kind != Adding && fact.Kind != Removing {
		o.failures, o.Error, o.Hint, o.Until, o.Stopped, o.Transient, o.Waiting = nil, "", "", time.Time{}, false, false, ""
	}
	switch fact.Kind {
	case Opened:
		o.OpenedAt, o.Domains, o.Reason, o.Forced = fact.At, fact.Domains, fact.Reason, fact.Forced
		o.Account, o.DNSAccount = fact.Account, fact.DNSAccount
	case Claimed:
		o.Instance, o.ClaimedAt, o.Adopted, o.Submissions = fact.Instance, fact.At, fact.Adopted, 0
		if fact.Adopted { // it was submitted by whoever had it
			o.SubmittedAt = fact.At
		}
	case Ended:
		o.Outcome, o.EndedAt, o.Error = fact.Outcome, fact.At, fact.Error
	case Collected:
		o.Version = fact.Version
	default:
		o.applySubmission(fact)
		o.applyRecord(fact)
	}
}

func (o *Order) applySubmission(fact Fact) {
	switch fact.Kind {
	case Submitting:
		o.Submitting = true
		o.Submissions++
		o.SubmittedAt, o.Challenge, o.VisibleAt, o.Status = time.Time{}, nil, time.Time{}, ""
	case Submitted:
		o.Submitting, o.SubmittedAt = false, fact.At
	case Unapplied:
		o.Submitting = false
		o.Submissions--
	case Refused:
		o.Submitting, o.Instance, o.ClaimedAt, o.Adopted = false, "", time.Time{}, false
		o.RefusalCode = fact.Code
	case Seen:
		o.Status, o.StatusSince = fact.Status, fact.At
	case Challenged:
		o.Challenge, o.VisibleAt = fact.Challenge, time.Time{}
	case Visible:
		o.VisibleAt = fact.At
	}
}

func (o *Order) applyRecord(fact Fact) {
	if fact.Record == nil {
		return
	}
	placed := o.place(*fact.Record)
	switch fact.Kind {
	case Adding, Removing:
		placed.Asked, placed.Gone = true, false
	case Added:
		placed.Asked, placed.Kept, placed.Gone = true, false, false
	case Kept:
		placed.Kept = true
	case Removed:
		placed.Gone, placed.RecordID = true, ""
	}
}
