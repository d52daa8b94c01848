package agent

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

// logged lets the world's agents log, and returns where.
func (w *world) logged() *bytes.Buffer {
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	return &log
}

// place writes a pair into the target of the world, as another program would, once
// it is valid.
func (w *world) place(b *bundle.Bundle) {
	w.Helper()
	time.Sleep(time.Until(b.Leaf.NotBefore))
	for name, data := range map[string][]byte{"www.pem": b.FullchainPEM(), "www.key": b.KeyPEM()} {
		if err := os.WriteFile(filepath.Join(w.dir, name), data, 0o600); err != nil {
			w.Fatal(err)
		}
	}
}

// holds says whether the target of the world holds a pair.
func (w *world) holds(b *bundle.Bundle) bool {
	w.Helper()
	certificate, err := os.ReadFile(filepath.Join(w.dir, "www.pem"))
	if err != nil {
		w.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(w.dir, "www.key"))
	if err != nil {
		w.Fatal(err)
	}
	return bundle.HasLeaf(certificate, b.Leaf) && bytes.Equal(key, b.KeyPEM())
}

// private is a pair of a CA that nobody trusts, for the names of the world.
func (w *world) private(leaf bundletest.Leaf) *bundle.Bundle {
	leaf.Names = []string{"example.com", "*.example.com"}
	return bundletest.NewCA(w, "Private").Issue(w, leaf)
}

// fault 135
func TestAPairInPlaceThatNobodyTrustsIsNotTakenOver(t *testing.T) {
	for _, api := range []string{"2018-07-13", "2020-04-07"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.api, w.extra = api, w.target()
			private := w.private(bundletest.Leaf{NotAfter: time.Now().AddDate(10, 0, 0)})
			w.place(private)
			log := w.logged()
			if planned := w.planned(); planned.Action != "order" || !strings.Contains(strings.Join(planned.Warnings, " "), "Private Intermediate") {
				t.Errorf("%+v", planned)
			}
			if c := w.status().Certificates[0]; !strings.Contains(strings.Join(c.Warnings, " "), "not taken over") || c.State == "ok" {
				t.Errorf("%+v", c)
			}
			w.renewed(Renewal{})
			if w.sandbox.Submitted()+w.sandbox.Applied() == 0 || w.holds(private) {
				t.Error("nothing was ordered, or it is not in place")
			}
			if !strings.Contains(log.String(), "is not taken over: no root that this host trusts leads to it, and Alibaba did not sell it") ||
				!strings.Contains(log.String(), "Private Intermediate") || strings.Count(log.String(), "not taken over") != 1 {
				t.Errorf("log %s", log)
			}
			if kept, _ := filepath.Glob(filepath.Join(w.where().Originals("example.com"), "*", "fullchain.pem")); len(kept) != 1 {
				t.Errorf("kept %q", kept)
			}
		})
	}
}

// fault 135
func TestAPairInPlaceThatAlibabaSoldIsTakenOverWhateverTheRootsAre(t *testing.T) {
	for _, tt := range []struct {
		api, list string
	}{
		{"2018-07-13", "DescribeUserCertificateList"},
		{"2020-04-07", "ListCertificates"},
	} {
		t.Run(tt.api, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.api, w.extra, w.strange = tt.api, w.target(), true
			w.renewed(Renewal{})
			version := w.current()
			if err := os.RemoveAll(string(w.where())); err != nil {
				t.Fatal(err)
			}
			w.faults("drop-request:" + tt.list) // nothing is ordered before the account has said
			w.calls()
			if o := w.renew(Renewal{Timeout: time.Second}); o.Class == state.Served || w.sandbox.Submitted()+w.sandbox.Applied() != 1 {
				t.Errorf("%+v", o)
			}
			w.faults()
			w.calls()
			if o := w.renew(Renewal{}); o.Class != state.Served || o.Ordered {
				t.Errorf("%+v", o)
			}
			if calls := w.calls(); calls[tt.list] != 1 || sum(calls) != 1 || w.current() != version {
				t.Errorf("version %s, calls %v", w.current(), calls)
			}
		})
	}
}

// fault 135
func TestAnUploadedPairThatNobodyTrustsIsNotTakenFromTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	private := w.private(bundletest.Leaf{NotAfter: time.Now().AddDate(10, 0, 0)})
	client, err := w.agent().accounts.Client("main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateUserCertificate(t.Context(), "private", string(private.FullchainPEM()), string(private.KeyPEM())); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	if w.sandbox.Submitted() != 1 || w.current() == private.ID() {
		t.Errorf("%d submitted, version %s", w.sandbox.Submitted(), w.current())
	}
}
