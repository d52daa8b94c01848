package state

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/seal"
)

// Witness sees what is wanted of certificates, and their files.
func (h *Host) Witness(seals *seal.Book, now time.Time) *seal.Witness {
	return seals.Witness(now, h.Config.Hooks, h.Config.Fleet.Alone())
}

// Sealed is the seal of each configured certificate, in their order: a look at it had
// nothing to do, and no file of it was touched since. A zero one stands for one that
// is to be read. It needs no lock.
func (h *Host) Sealed(ctx context.Context, now time.Time) []seal.Seal {
	certificates := make([]*config.Certificate, len(h.Config.Certificates))
	for i := range certificates {
		certificates[i] = &h.Config.Certificates[i]
	}
	return h.Unbroken(ctx, seal.Read(h.Dir.Seals()), now, certificates)
}

// Unbroken is the seal of each of these certificates; a zero one where there is none
// that is not broken.
func (h *Host) Unbroken(ctx context.Context, seals *seal.Book, now time.Time, certificates []*config.Certificate) []seal.Seal {
	found := make([]seal.Seal, len(certificates))
	if seals.Empty() || !h.Config.Fleet.Alone() { // what the fleet holds is not told by the disk
		return found
	}
	var group errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		group.Go(func() error {
			w := h.Witness(seals, now)
			defer w.Close()
			for i := worker; i < len(certificates); i += workers {
				found[i] = h.unbroken(ctx, seals, w, now, certificates[i])
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	return found
}

func (h *Host) unbroken(ctx context.Context, seals *seal.Book, w *seal.Witness, now time.Time, certificate *config.Certificate) seal.Seal {
	s, sealed := seals.Of(certificate.Name)
	if !sealed || !s.Holds(now) || ctx.Err() != nil {
		return seal.Seal{}
	}
	h.Alive()
	if sum, tells := w.Sum(ctx, *certificate, h.Dir.Certificate(certificate.Name)); !tells || sum != s.Sum {
		return seal.Seal{}
	}
	return s
}
