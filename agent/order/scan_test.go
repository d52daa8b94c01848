package order

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// scan answers what Instances answers, each question from all entries anew.
type scan []instanceEntry

func (s scan) holder(i Instance) string {
	holder := ""
	for _, e := range s {
		if e.Account != i.Account || e.Instance != i.ID {
			continue
		}
		switch e.Kind {
		case InstanceClaimed:
			holder = e.Certificate
		case InstanceReleased, InstanceRefused, InstanceAbandoned, InstanceForeign:
			holder = ""
		}
	}
	return holder
}

func (s scan) claimOf(account, certificate string) (claim instanceEntry, submitted bool) {
	for _, e := range s {
		switch {
		case e.Account != account || e.Certificate != certificate:
		case e.Kind == InstanceClaimed:
			submitted = submitted && e.Instance == claim.Instance
			claim = e
		case e.Instance != claim.Instance:
		case e.Kind == InstanceSubmitted, e.Kind == InstanceUnapplied:
			submitted = e.Kind == InstanceSubmitted
		case e.Kind == InstanceEnds:
			claim.Until = e.Until
		default:
			claim, submitted = instanceEntry{}, false
		}
	}
	return claim, submitted
}

func (s scan) anyRefusedTo(account, certificate string) bool {
	return slices.ContainsFunc(s, func(e instanceEntry) bool {
		return e.Kind == InstanceRefused && e.Account == account && e.Certificate == certificate
	})
}

// last says that an entry of that kind stands, and no "free" after it.
func (s scan) last(i Instance, kind InstanceUse, certificate string) bool {
	found := false
	for _, e := range s {
		switch {
		case e.Account != i.Account || e.Instance != i.ID:
		case e.Kind == InstanceFree:
			found = false
		case e.Kind == kind && (certificate == "" || e.Certificate == certificate):
			found = true
		}
	}
	return found
}

// compact is what is left of the entries when they are too many.
func (s scan) compact(now time.Time) scan {
	ended := map[[2]string]bool{}
	for _, e := range s {
		ended[[2]string{e.Account, e.Instance}] = e.Kind == InstanceReleased || e.Kind == InstanceFree
	}
	recent := now.AddDate(0, 0, -2)
	kept := slices.DeleteFunc(slices.Clone(s), func(e instanceEntry) bool {
		return ended[[2]string{e.Account, e.Instance}] && e.Kind != InstanceRefused &&
			!((e.Kind == InstanceSubmitted || e.Kind == InstanceUnapplied) && e.At.After(recent))
	})
	if len(s) <= 60 || len(s) <= 4*len(kept) {
		return s
	}
	return kept
}

var (
	someAccounts     = []string{"main", "second"}
	someInstances    = []string{"cas-1", "cas-2", "cas-3"}
	someCertificates = []string{"www", "shop", "mail"}
)

// agree compares every answer of the ledger with the scan's.
func agree(t *testing.T, l *Instances, s scan, now time.Time) {
	t.Helper()
	same := slices.EqualFunc(l.entries, s, func(a, b instanceEntry) bool {
		there := a.At.Equal(b.At)
		a.At = b.At
		return there && a == b
	})
	for _, certificate := range someCertificates {
		n, oldest := l.Submissions(certificate, now)
		m, first := s.submissions(certificate, now)
		same = same && n == m && oldest.Equal(first)
		for _, account := range someAccounts {
			claim, submitted := l.ClaimOf(account, certificate)
			entry, begun := s.claimOf(account, certificate)
			same = same && claim.Instance == entry.Instance && claim.Until.Equal(entry.Until) && claim.Adopted == entry.Adopted && submitted == begun
			same = same && l.AnyRefusedTo(account, certificate) == s.anyRefusedTo(account, certificate)
			for _, id := range someInstances {
				i := Instance{account, id}
				same = same && l.RefusedTo(i, certificate) == s.last(i, InstanceRefused, certificate)
				same = same && l.Holder(i) == s.holder(i) && l.Abandoned(i) == s.last(i, InstanceAbandoned, "") &&
					l.Foreign(i) == s.last(i, InstanceForeign, "")
			}
		}
	}
	if !same {
		t.Fatalf("the ledger does not say what its entries say:\n%+v\n%+v", l, s)
	}
}

func (s scan) submissions(certificate string, now time.Time) (n int, oldest time.Time) {
	var counted []time.Time
	for _, e := range s {
		switch {
		case e.Certificate != certificate || now.Sub(e.At).Abs() >= 24*time.Hour:
		case e.Kind == InstanceSubmitted:
			counted = append(counted, e.At)
		case e.Kind == InstanceUnapplied && len(counted) > 0:
			counted = counted[:len(counted)-1]
		}
	}
	if len(counted) > 0 {
		oldest = counted[0]
	}
	return len(counted), oldest
}

// something is an entry at random, dated at the time given or, now and then, by
// a clock that is wrong.
func something(random *rand.Rand, now time.Time) instanceEntry {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	kinds := []InstanceUse{InstanceClaimed, InstanceSubmitted, InstanceUnapplied, InstanceReleased, InstanceReleased,
		InstanceRefused, InstanceAbandoned, InstanceFree, InstanceForeign, InstanceEnds}
	e := instanceEntry{At: now, Kind: kinds[random.IntN(len(kinds))], Account: pick(someAccounts),
		Instance: pick(someInstances), Certificate: pick(someCertificates), Adopted: random.IntN(2) == 0}
	if random.IntN(10) == 0 {
		e.At = now.AddDate(0, 0, random.IntN(6)-3)
	}
	if e.Kind == InstanceClaimed && random.IntN(2) == 0 || e.Kind == InstanceEnds {
		e.Until = at(random.IntN(3))
	}
	if random.IntN(20) == 0 {
		e.Certificate = ""
	}
	if e.Kind == InstanceRefused && random.IntN(4) > 0 { // else all is kept for ever
		e.Kind = InstanceReleased
	}
	return e
}

func TestTheLedgerSaysWhatItsEntriesSay(t *testing.T) {
	compacted := 0
	for seed := range uint64(300) {
		random, now := rand.New(rand.NewPCG(seed, 0)), at(0)
		var s scan
		for range random.IntN(150) {
			now = now.Add(time.Duration(random.IntN(600)) * time.Minute)
			s = append(s, something(random, now))
		}
		for _, id := range someInstances[:random.IntN(4)] { // so that there is something to drop
			for _, account := range someAccounts {
				s = append(s, instanceEntry{At: now, Kind: InstanceReleased, Account: account, Instance: id})
			}
		}
		l := ledger(t, s...)
		agree(t, l, s, now)
		if err := l.Compact(now); err != nil {
			t.Fatal(err)
		}
		if kept := s.compact(now); len(kept) < len(s) {
			compacted++
			s = kept
		}
		agree(t, l, s, now)
		agree(t, reread(t, l.Damage().File), s, now)
		for range 20 {
			e := something(random, now)
			l.entries = append(l.entries, e)
			l.apply(e)
			s = append(s, e)
			agree(t, l, s, now)
		}
	}
	if compacted < 30 {
		t.Errorf("only %d ledgers were compacted", compacted)
	}
}
