package simulate

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"time"

	"dvagent/internal/sandbox"
)

// watch is what the checker knows of a host.
type watch struct {
	looks     int
	lastBad   time.Time // weather of any kind
	lastDeath time.Time
	lastCut   time.Time // when it last came back from where it could tell nobody
	tampered  time.Time
	leaf      *x509.Certificate // that was served last
	counted   bool              // its renewal is among those that are needed
	due       time.Time         // since when a new one is due; zero: it is not
	replacing time.Time         // since when what was revoked is to be replaced; zero: it is not
	shown     time.Time         // since when a file of a proof is there; zero: there is none
	unsent    time.Time         // since when the account lacks what is served; zero: it does not
	since     time.Time         // since when the host could tell people, and did not
}

func (w *watch) busy() bool { return !w.due.IsZero() }

// lapsed says that the end of what was told at a time may have gone untold: that is worth
// telling for a day, which the host may have spent where it could tell nobody.
func (w *watch) lapsed(told time.Time) bool {
	return w.lastCut.Sub(told) > day
}

// patience is how long good weather may last while something is still owed: a day,
// and for what only a look finds the time until it.
func (h *host) patience() time.Duration { return 26*time.Hour + h.settings.interval }

// check looks at everything, each hour.
func (w *world) check() {
	w.note()
	for _, h := range w.hosts {
		h.check()
	}
	w.checkRecords()
	w.checkOrders()
	w.checkCalls()
	w.after(time.Hour, w.check)
}

// check compares what a host serves with what it could.
func (h *host) check() {
	now, leaf, w := time.Now(), h.leaf(), h.world
	good := now.Sub(h.watch.lastBad)
	h.count(now)
	if leaf != h.watch.leaf {
		h.watch.leaf, h.watch.due, h.watch.counted = leaf, time.Time{}, false
		h.count(now)
	}
	if h.needs(leaf, now, 0.25) && (!h.settings.follows || h.canFollow(now)) {
		if h.watch.due.IsZero() {
			h.watch.due = now
		}
		if waited := now.Sub(h.watch.due); min(waited, good) > h.patience() {
			w.violated("%s: a certificate is owed for %s, %s of it in good weather", h.name, waited, good)
		}
	} else {
		h.watch.due = time.Time{}
	}
	if leaf != nil && now.After(leaf.NotAfter) && good > h.patience() && !h.settings.follows {
		w.violated("I1: %s serves what expired at %s", h.name, leaf.NotAfter)
	}
	h.checkReplaced(leaf, now, good)
	h.checkWebroot(now, good)
	h.checkUpload(now, good)
	h.checkTold(leaf, now)
	if h.watch.looks++; h.watch.looks%48 != 0 { // what follows reads files
		return
	}
	if h.watch.tampered.Before(now.Add(-h.patience())) && good > h.patience() {
		h.checkFiles()
	}
	if files, size, leaks := h.usage(); files > 150 || size > 1<<20 || leaks != "" {
		w.violated("I7: %s: %d files of %d bytes; secret in %q", h.name, files, size, leaks)
	}
}

// count notes that the host may order what takes the place of what it served last.
func (h *host) count(now time.Time) {
	if !h.watch.counted && !h.settings.follows && h.needs(h.watch.leaf, now, 0.34) {
		h.watch.counted = true
		h.world.needed++
	}
}

// needs says that no more than a part of the leaf's lifetime is left, or that the
// names are others. A third is when renewals are due; a quarter is when they are,
// however hosts are spread.
func (h *host) needs(leaf *x509.Certificate, now time.Time, part float64) bool {
	if leaf == nil {
		return true
	}
	for _, name := range h.settings.names {
		if leaf.VerifyHostname(strings.Replace(name, "*.", "any.", 1)) != nil {
			return true
		}
	}
	left := part * float64(leaf.NotAfter.Sub(leaf.NotBefore))
	return now.After(leaf.NotAfter.Add(-time.Duration(left)))
}

// checkTold sees to it that people know of a certificate that ends soon.
func (h *host) checkTold(leaf *x509.Certificate, now time.Time) {
	p := h.running()
	life := time.Duration(0)
	if leaf != nil {
		life = leaf.NotAfter.Sub(leaf.NotBefore)
	}
	quiet := leaf == nil || now.Before(leaf.NotAfter.Add(-life/20)) || h.world.people.know(h)
	if quiet || p == nil || p.isDead() || h.isAsleep() || h.offline || h.isFull() {
		h.watch.since = time.Time{}
		return
	}
	if h.watch.since.IsZero() {
		h.watch.since = now
	}
	if now.Sub(h.watch.since) > h.patience() {
		h.world.violated("%s: nobody was told that the certificate ends at %s", h.name, leaf.NotAfter)
	}
}

// checkFiles wants a pair at the target that is the one that is served.
func (h *host) checkFiles() {
	pair, err := tls.LoadX509KeyPair(h.certificateFile(), h.keyFile())
	if err != nil {
		h.world.violated("I1: the target of %s: %v", h.name, err)
		return
	}
	if leaf := h.leaf(); leaf != nil && !pair.Leaf.Equal(leaf) {
		h.world.violated("%s serves another pair than lies at the target", h.name)
	}
}

// checkReload wants no server to get worse. That a certificate is revoked, 2018-07-13 does not tell.
func (h *host) checkReload(before, after *x509.Certificate) {
	now := time.Now()
	if now.Before(before.NotAfter) && !now.Before(after.NotAfter) {
		h.world.violated("I1: %s takes an expired pair in place of one until %s", h.name, before.NotAfter)
	}
	if h.world.api == sandbox.API2020 && !h.settings.follows && h.world.isVoid(after) && !h.world.isVoid(before) {
		h.world.violated("%s takes a revoked certificate in place of a valid one", h.name)
	}
}

// checkRecords wants the records of others to be there, and ours not to stay.
func (w *world) checkRecords() {
	there := map[string]bool{}
	for _, r := range w.cloud.Records("example.com") {
		there[r.RecordID] = true
		if strings.HasPrefix(r.RR, "_dnsauth") && !w.others[r.RecordID] {
			w.checkRecord(r)
		}
	}
	for id := range w.others {
		if !there[id] {
			w.violated("I3: a record of others is gone")
		}
	}
	for id := range w.ours {
		if !there[id] {
			delete(w.ours, id)
		}
	}
}

func (w *world) checkRecord(r sandbox.Record) {
	now := time.Now()
	if w.ours[r.RecordID].IsZero() {
		w.ours[r.RecordID] = now
	}
	stood := now.Sub(w.ours[r.RecordID])
	good := stood
	for _, h := range w.hosts {
		good = min(good, now.Sub(h.watch.lastBad))
	}
	if good > w.hosts[0].patience() {
		w.violated("I3: our record %s stands for %s", r.RR, stood)
	}
}

// checkOrders wants no more orders than renewals.
func (w *world) checkOrders() {
	used := 0
	switch {
	case w.stocked:
		used = len(w.cloud.PackageOrders())
	case w.api == sandbox.API2018:
		used = w.cloud.Submitted()
	default:
		used = w.cloud.Applied()
	}
	if used > w.needed+w.extra {
		w.violated("I2: %d orders, and %d were needed, %d excused", used, w.needed, w.extra)
	}
}
