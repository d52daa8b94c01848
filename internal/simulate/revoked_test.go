package simulate

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/sandbox"
)

// revoked has the CA declare void what a host serves. Whoever had it do so has the host
// order another one, hours or days later; the agent does not find out by itself.
func (w *world) revoked(h *host) {
	if h.settings.follows { // somebody else ordered it
		h = w.hosts[0]
	}
	leaf := h.leaf()
	if leaf == nil {
		return
	}
	all := w.cloud.Certificates()
	i := slices.IndexFunc(all, func(c sandbox.Certificate) bool { return c.KeyHash == keyHash(leaf) && c.NotAfter.Equal(leaf.NotAfter) })
	if i < 0 || w.cloud.Revoke(all[i].ID) != nil { // it was made by hand, or has expired
		return
	}
	w.tell("people", "have the certificate of %s revoked", h.name)
	w.mu.Lock()
	w.void[keyHash(leaf)] = true
	w.mu.Unlock()
	w.after(w.between(time.Hour, 2*day), func() { w.replace(h) })
}

// replace orders until the host serves what is not revoked.
func (w *world) replace(h *host) {
	leaf := h.leaf()
	if leaf == nil || !w.isVoid(leaf) {
		h.watch.replacing = time.Time{}
		return
	}
	if h.isUp() {
		if h.watch.replacing.IsZero() {
			h.watch.replacing = time.Now()
		}
		w.people.renew(h, true)
	}
	w.after(day/2, func() { w.replace(h) })
}

func (w *world) isVoid(leaf *x509.Certificate) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.void[keyHash(leaf)]
}

// checkReplaced wants a host to serve another certificate than the revoked one a day of
// good weather after it was ordered.
func (h *host) checkReplaced(leaf *x509.Certificate, now time.Time, good time.Duration) {
	if leaf == nil || h.watch.replacing.IsZero() || !h.world.isVoid(leaf) {
		return
	}
	if waited := now.Sub(h.watch.replacing); min(waited, good) > h.patience() {
		h.world.violated("%s: a revoked certificate is served %s after another was ordered, %s of it in good weather", h.name, waited, good)
	}
}

// keyHash is the certificate's key as the sandbox has it.
func keyHash(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func TestACertificateThatIsRevokedBeforeItIsCollectedIsAppliedForAgain(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 8)
		defer w.close()
		var look func()
		look = func() {
			all := w.cloud.Certificates()
			if len(all) == 0 {
				w.after(10*time.Millisecond, look)
			} else if err := w.cloud.Revoke(all[0].ID); err != nil {
				t.Error(err)
			}
		}
		w.hosts[0].start()
		w.after(0, look)
		w.live(10 * time.Hour)
		if leaf := w.hosts[0].leaf(); leaf == nil || w.cloud.Applied() != 2 {
			t.Errorf("serves %v; %d applications", leaf, w.cloud.Applied())
		}
	})
}
