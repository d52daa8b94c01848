package simulate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"dvagent/internal/sandbox"
)

// spell is bad weather for a host, or for all.
type spell struct {
	host *host // nil: all
	what string
}

// begin has bad weather for a while.
func (w *world) begin(h *host, length time.Duration, what string, end func()) {
	s := &spell{h, what}
	w.spells[s] = true
	where := "all"
	if h != nil {
		where = h.name
	}
	w.tell("-", "%s for %s, %s", what, length.Round(time.Minute), where)
	w.after(length, func() {
		delete(w.spells, s)
		w.note()
		w.tell("-", "%s: over", what)
		end()
	})
	w.note()
}

// note notes for whom the weather is bad now.
func (w *world) note() {
	for _, h := range w.hosts {
		if w.bad(h) {
			h.watch.lastBad = time.Now()
		}
	}
}

// bad says that nobody can expect anything of the host now.
func (w *world) bad(h *host) bool {
	for s := range w.spells {
		if s.host == nil || s.host == h {
			return true
		}
	}
	return w.people.owing(h)
}

// excuse allows for further orders.
func (w *world) excuse(n int) { w.extra += n }

// kind is a kind of weather: so often a year, at a host.
type kind struct {
	name    string
	perYear float64
	happen  func(*world, *host)
}

var kinds = []kind{
	{"api", 14, (*world).faultOfAPI},
	{"fate", 4, (*world).badFate},
	{"name server", 3, (*world).deadNameServer},
	{"ca", 2, (*world).outageOfCA},
	{"offline", 4, (*world).offline},
	{"power", 4, (*world).powerCut},
	{"suspend", 3, (*world).suspended},
	{"kill", 30, (*world).killed},
	{"tamper", 4, (*world).tampered},
	{"server", 3, (*world).brokenServer},
	{"clock", 3, (*world).clocksSet},
	{"edit", 2, (*world).edited},
	{"force", 1, (*world).forced},
	{"cron", 6, (*world).oneShot},
	{"full disk", 3, (*world).fullDisk},
	{"records", 6, (*world).otherRecords},
	{"refund", 0.3, (*world).refunded},
	{"revoked", 1, (*world).revoked},
}

// draw decides what happens in the day that begins.
func (w *world) draw() {
	for _, h := range w.hosts {
		for _, k := range kinds {
			chance := k.perYear / 365
			if h.watch.busy() {
				chance *= 6 // what hits an order tells most
			}
			if hit, when := w.dice.Float64() < chance, w.within(day); hit {
				w.after(when, func() {
					w.drawn[k.name]++
					k.happen(w, h)
				})
			}
		}
	}
	w.after(day, w.draw)
}

// count says how often each kind of weather came, so that weather that never comes
// is seen.
func (w *world) count() string {
	all := make([]string, len(kinds))
	for i, k := range kinds {
		all[i] = fmt.Sprintf("%s %d", k.name, w.drawn[k.name])
	}
	return fmt.Sprintf("weather: %s; %d certificates were needed, %d further orders excused", strings.Join(all, ", "), w.needed, w.extra)
}

// within is a time up to d.
func (w *world) within(d time.Duration) time.Duration { return time.Duration(w.dice.Int64N(int64(d))) }

// between is a length of time, rather a short one.
func (w *world) between(least, most time.Duration) time.Duration {
	x := w.dice.Float64()
	return least + time.Duration(x*x*x*float64(most-least))
}

// fates are the faults that decide how an order ends.
var fates = []string{
	"checking-forever", "check-fail", "checked-fail", "second-challenge", "value-changes", "names-missing", "expired", "not-yet-valid",
	"valid-soon", "ends-early", "wrong-key", "inactive-after-refusal",
}

// unfit are faults that are no weather: answers of megabytes, and such as are of
// what the simulation does not do.
var unfit = []string{"huge", "endless", "reissue-new-key"}

// ofPackages are faults of packages alone.
var ofPackages = []string{"spend-without-order", "other-product"}

func (w *world) passing() []string {
	var names []string
	for _, k := range sandbox.FaultKinds() {
		foreign := !w.stocked && slices.Contains(ofPackages, k.Name)
		if !slices.Contains(fates, k.Name) && !slices.Contains(unfit, k.Name) && !foreign {
			names = append(names, k.Name)
		}
	}
	return names
}

func (w *world) faultOfAPI(*host) {
	all := w.passing()
	w.fault(all[w.dice.IntN(len(all))], w.between(time.Minute, 3*day))
}

func (w *world) badFate(*host) {
	w.excuse(3 * len(w.hosts))
	w.fault(fates[w.dice.IntN(len(fates))], w.between(time.Hour, 2*day))
}

func (w *world) fault(name string, length time.Duration) {
	w.faults = append(w.faults, name)
	w.inForce()
	w.begin(nil, length, "the cloud: "+name, func() {
		i := slices.Index(w.faults, name)
		w.faults = slices.Delete(w.faults, i, i+1)
		w.inForce()
	})
}

func (w *world) inForce() {
	var list []sandbox.Fault
	for _, name := range w.faults {
		list = append(list, sandbox.Fault{Kind: name})
	}
	if err := w.cloud.SetFaults(list...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deadNameServer(*host) {
	servers := w.cloud.Ready().DNS
	address := servers[w.dice.IntN(len(servers))]
	w.net.kill(address, true)
	w.begin(nil, w.between(time.Minute, 2*day), "a dead name server", func() { w.net.kill(address, false) })
}

func (w *world) outageOfCA(*host) {
	w.toNames.cut.Store(true)
	w.begin(nil, w.between(time.Hour, 6*day), "an outage of the CA", func() { w.toNames.cut.Store(false) })
}

func (w *world) offline(h *host) {
	h.set(func() { h.offline = true })
	if p := h.running(); p != nil {
		p.hangUp()
	}
	w.begin(h, w.between(time.Minute, 4*day), "no network", func() {
		h.set(func() { h.offline = false })
		h.watch.lastCut = time.Now()
	})
}

func (w *world) powerCut(h *host) {
	p := h.running()
	if p == nil || p.isDead() || h.isAsleep() {
		return
	}
	if w.dice.IntN(2) == 0 {
		p.kill("a power cut")
	}
	h.set(func() { h.off = true })
	h.end()
	h.watch.lastDeath = time.Now()
	w.begin(h, w.between(time.Minute, 25*day), "switched off", func() {
		h.set(func() { h.off = false })
		h.start()
	})
}

// isUp says that somebody can use the host.
func (h *host) isUp() bool {
	return h.running() != nil && !h.isAsleep() && !h.offline
}

func (h *host) isAsleep() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asleep != nil
}

func (w *world) suspended(h *host) {
	if h.isAsleep() {
		return
	}
	wake := h.suspend()
	w.begin(h, w.between(time.Minute, 15*day), "suspended", func() {
		h.watch.lastCut = time.Now()
		wake()
	})
}

// killed has the process die at one of its next effects, and come back soon after.
func (w *world) killed(h *host) {
	p := h.running()
	if p == nil || p.isDead() {
		return
	}
	back := w.between(time.Second, time.Hour)
	p.killAt(w.dice.IntN(60), func() {
		w.after(0, func() {
			h.watch.lastDeath = time.Now()
			w.tell("-", "%s: killed at %s", h.name, p.killed)
			w.begin(h, back, "no service", func() {
				if h.running() == p {
					h.end()
				}
				h.start()
			})
		})
	})
}

// tampered has somebody change what lies at the target.
func (w *world) tampered(h *host) {
	if h.leaf() == nil {
		return
	}
	h.watch.tampered = time.Now()
	switch w.dice.IntN(4) {
	case 0:
		w.tell("-", "%s: the certificate file is removed", h.name)
		_ = os.Remove(h.certificateFile())
	case 1:
		w.tell("-", "%s: the certificate file is emptied", h.name)
		_ = os.WriteFile(h.certificateFile(), nil, 0o644)
	case 2:
		w.tell("-", "%s: the key file is replaced by rubbish", h.name)
		_ = os.WriteFile(h.keyFile(), []byte("rubbish\n"), 0o600)
	case 3:
		w.tell("-", "%s: a pair of its own CA is put there by hand", h.name)
		w.excuse(1)
		if err := h.withRoom(func() error { return handMade(h) }); err != nil {
			w.t.Fatal(err)
		}
	}
	h.watch.lastBad = time.Now()
}

// handMade puts a pair there that a person made.
func handMade(h *host) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.Unix()), Subject: pkix.Name{CommonName: h.settings.names[0]}, DNSNames: h.settings.names,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * day)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	err = os.WriteFile(h.keyFile(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
	if err != nil {
		return err
	}
	return os.WriteFile(h.certificateFile(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func (w *world) brokenServer(h *host) {
	h.set(func() { h.broken = true })
	w.begin(h, w.between(time.Minute, 3*day), "the web server cannot reload", func() { h.set(func() { h.broken = false }) })
}

func (w *world) forced(h *host) {
	if !h.isUp() {
		return
	}
	w.people.renew(h, true)
}

func (w *world) oneShot(h *host) {
	if !h.isUp() {
		return
	}
	w.people.renew(h, false)
}

// otherRecords has the owner of the zone add a record, also where ours are.
func (w *world) otherRecords(*host) {
	name := []string{"_dnsauth", "www", "_dnsauth.shop"}[w.dice.IntN(3)]
	id, err := w.cloud.AddRecord("example.com", name, "TXT", fmt.Sprintf("other-%d", w.dice.IntN(1e9)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.others[id] = true
	w.tell("people", "add a TXT record %s", name)
	w.after(w.between(day, 60*day), func() {
		delete(w.others, id)
		if err := w.cloud.DeleteRecord(id); err != nil {
			w.violated("I3: the record %s of others is gone", name)
		}
	})
}

// refunded ends a subscription before its time.
func (w *world) refunded(*host) {
	var running []string
	for _, s := range w.cloud.Subscriptions() {
		if s.Status != "refund" && s.Status != "closed" && s.Status != "expired" {
			running = append(running, s.InstanceID)
		}
	}
	if len(running) == 0 {
		return
	}
	id := running[w.dice.IntN(len(running))]
	w.tell("people", "give instance %s back", id)
	w.excuse(len(w.hosts))
	for _, h := range w.hosts {
		h.watch.lastBad = time.Now()
	}
	if err := w.cloud.CloseSubscription(id, "refund"); err != nil {
		w.t.Fatal(err)
	}
}
