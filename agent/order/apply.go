package order

import (
	"cmp"
	"slices"
	"time"
)

// apply is where facts become state. A fact that says that the order went on
// ends a run of failures; one that says that something is tried, or that a record
// which the server refused is not there, does not.
func (o *Order) apply(fact Fact) {
	switch fact.Kind {
	case Waiting:
		o.failures, o.Failure, o.Waiting = nil, Failure{}, fact.Reason
	case Failed:
		o.failures = append(o.failures, fact.At)
		o.Failure = Failure{
			Text: fact.Error, Hint: fact.Hint, Cause: fact.Cause, At: fact.At, Until: fact.Until,
			Stopped: fact.Stopped, Transient: fact.Transient,
		}
	case Submitting, Unapplied:
		o.applySubmission(fact)
	case Adding, Removing, Removed:
		o.applyRecord(fact)
	default:
		if !o.triesPackage(fact) {
			o.failures, o.Failure, o.Waiting = nil, Failure{}, ""
		}
		o.applyStage(fact)
		o.applySubmission(fact)
		o.applyRecord(fact)
	}
}

// triesPackage says that a fact is of a mere try: a package is claimed anew each time, and
// given back where it has nothing left.
func (o *Order) triesPackage(fact Fact) bool {
	return fact.Kind == Claimed && fact.Package != "" || fact.Kind == Refused && o.Package != ""
}

func (o *Order) applyStage(fact Fact) {
	switch fact.Kind {
	case Opened:
		o.OpenedAt, o.Domains, o.Reason, o.Forced = fact.At, fact.Domains, fact.Reason, fact.Forced
		o.Account, o.DNSAccount, o.Webroot = fact.Account, fact.DNSAccount, fact.Webroot
		if fact.Number > 0 {
			o.Number, o.Host = fact.Number, fact.Host
		}
	case Claimed:
		o.Instance, o.ClaimedAt, o.Adopted, o.Submissions = fact.Instance, fact.At, fact.Adopted, 0
		o.API, o.Package, o.Bare, o.Before = cmp.Or(fact.API, API2018), fact.Package, fact.Bare, fact.Before
		o.SubmittedAt, o.ServerOrder, o.Status = time.Time{}, "", ""
		o.challenge(nil)
		if fact.Adopted { // it was submitted by whoever had it
			o.SubmittedAt = fact.At
		}
	case Keyed:
		o.dropKey()
		o.Key = fact.Key
	case Collected:
		o.Version = fact.Version
		if fact.Instance != "" {
			o.Instance, o.API = fact.Instance, fact.API
		}
	case Ended:
		o.Outcome, o.EndedAt, o.Failure.Text = fact.Outcome, fact.At, fact.Error
	}
}

func (o *Order) applySubmission(fact Fact) {
	switch fact.Kind {
	case Submitting:
		o.Submitting, o.SubmittingAt, o.Stock = true, fact.At, fact.Stock
		o.Submissions++
		o.SubmittedAt, o.ServerOrder, o.Status = time.Time{}, "", ""
		o.challenge(nil)
	case Revoked: // the next submission is for another key
		o.dropKey()
		o.Before = fact.Before
		o.SubmittedAt, o.ServerOrder, o.Status = time.Time{}, "", ""
		o.challenge(nil)
	case Submitted:
		o.Submitting, o.SubmittedAt, o.RequestID, o.ServerOrder, o.Status = false, fact.At, fact.RequestID, fact.Order, ""
	case Unapplied:
		o.Submitting = false
		o.Submissions--
	case Refused:
		if o.GivenBack == nil {
			o.GivenBack = map[string]time.Time{}
		}
		o.GivenBack[fact.Instance] = fact.At
		o.Submitting, o.Instance, o.ClaimedAt, o.Adopted = false, "", time.Time{}, false
		o.RefusalCode = fact.Code
	case Seen:
		o.Status = fact.Status
	case Challenged:
		o.challenge(fact.Challenges())
	}
}

// dropKey remembers the key as one that was.
func (o *Order) dropKey() {
	if o.Key != "" {
		o.Former = append(o.Former, o.Key)
	}
	o.Key = ""
}

// challenge changes the challenges. What the name servers showed counts no
// longer for one that is over, even if it comes back.
func (o *Order) challenge(challenges []Challenge) {
	o.Challenges = challenges
	for i, placed := range o.Records {
		if !slices.ContainsFunc(challenges, placed.Record.Serves) {
			o.Records[i].Seen = time.Time{}
		}
	}
}

func (o *Order) applyRecord(fact Fact) {
	if fact.Record == nil {
		if fact.Kind == Visible {
			o.seeAll(fact.At)
		}
		return
	}
	placed := o.place(*fact.Record)
	switch fact.Kind {
	case Adding: // also one that somebody took away
		placed.Asked, placed.Gone, placed.Record.RecordID, placed.Seen = true, false, "", time.Time{}
	case Removing:
		placed.Asked, placed.Gone = true, false
	case Added:
		placed.Asked, placed.Kept, placed.Gone, placed.Seen = true, false, false, time.Time{}
		o.ProvedAt = fact.At
	case Kept:
		placed.Kept = true
		o.ProvedAt = fact.At
	case Visible:
		placed.Seen = fact.At
	case Removed:
		placed.Gone, placed.Record.RecordID = true, ""
	}
}
