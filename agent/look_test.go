package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/seal"
	"dvagent/agent/state"
	"dvagent/agent/statetest"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// attended is a host on which all is in place.
type attended struct {
	*testing.T
	statetest.Host
	more string // of the configuration
}

func newAttended(t *testing.T, more string) *attended {
	t.Helper()
	t.Parallel() // it waits for the clocks of file systems
	h := &attended{t, statetest.Host{Dir: t.TempDir(), Certificates: 2}, strings.ReplaceAll(more, "DIR", t.TempDir())}
	h.Make(t)
	text, err := os.ReadFile(h.Config())
	h.must(err)
	h.must(os.WriteFile(h.Config(), append(text, h.more...), 0o600))
	return h
}

func (h *attended) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *attended) agent() *Agent {
	h.Helper()
	cfg, err := config.Load(h.Config())
	h.must(err)
	a, err := New(cfg, nil, nil)
	h.must(err)
	return a
}

func (h *attended) renew() []state.Outcome {
	h.Helper()
	outcomes, err := h.agent().Renew(h.Context(), Renewal{NoWait: true, Timeout: time.Minute, Caller: tester})
	h.must(err)
	return outcomes
}

// passedOver says which certificates the next pass would pass over.
func (h *attended) passedOver() map[string]seal.Seal {
	a, found := h.agent(), map[string]seal.Seal{}
	names, err := a.host.Selected(nil)
	h.must(err)
	for c, s := range a.newLook().unbroken(h.Context(), names, func(string) bool { return false }) {
		found[c.Name] = s
	}
	return found
}

// awaitRest renews until each certificate would be passed over, and no ledger read.
func (h *attended) awaitRest() {
	h.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if outcomes := h.renew(); state.Worst(outcomes) != state.Served {
			h.Fatalf("ended with %+v", outcomes)
		}
		look := h.agent().newLook()
		if known := look.seals.Ledgers(); len(h.passedOver()) == h.Certificates && known != (seal.Sum{}) && known == look.ledgers() {
			return
		}
		if time.Now().After(end) {
			h.Fatalf("passed over are %v", h.passedOver())
		}
	}
}

// keyStores are further targets of the last certificate.
const keyStores = "[[certificate.deploy]]\ncombined = \"DIR/both.pem\"\n" +
	"[[certificate.deploy]]\npfx = \"DIR/pair.pfx\"\njks = \"DIR/pair.jks\"\npassword = \"changeit\"\nowner = \"root\"\n"

func TestWhatNobodyTouchedIsPassedOverAndWhatSomebodyTouchedHeals(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files are given away, as root alone can")
	}
	h := newAttended(t, keyStores)
	looked := h.renew()
	h.awaitRest()
	for i, outcome := range h.renew() {
		if fmt.Sprintf("%+v", outcome) != fmt.Sprintf("%+v", state.Outcome{Certificate: h.Name(i), Next: looked[i].Next}) {
			t.Errorf("passed over, it ends with %+v; looked at, with %+v", outcome, looked[i])
		}
	}
	certificate := h.agent().host.Config.Certificates[1]
	for _, target := range certificate.Deploy {
		for _, path := range target.Paths() {
			was, err := os.Stat(path)
			h.must(err)
			before, err := os.ReadFile(path)
			h.must(err)
			for name, change := range map[string]func() error{
				"written in place": func() error {
					return errors.Join(os.WriteFile(path, []byte(strings.Repeat("x", len(before))), 0o600), os.Chtimes(path, was.ModTime(), was.ModTime()))
				},
				"replaced": func() error {
					return errors.Join(os.WriteFile(path+".x", []byte(strings.Repeat("x", len(before))), was.Mode()),
						os.Chtimes(path+".x", was.ModTime(), was.ModTime()), os.Rename(path+".x", path))
				},
				"its mode":  func() error { return os.Chmod(path, 0o666) },
				"its owner": func() error { return os.Chown(path, 65534, 65534) },
				"removed":   func() error { return os.Remove(path) },
			} {
				h.must(change())
				if _, over := h.passedOver()[certificate.Name]; over {
					t.Errorf("%s, %s: it is passed over", filepath.Base(path), name)
				}
				h.renew()
				after, err := os.ReadFile(path)
				h.must(err)
				is, err := os.Stat(path)
				h.must(err)
				if same := len(after) == len(before) && is.Mode() == was.Mode(); !same {
					t.Errorf("%s, %s: it is not healed", filepath.Base(path), name)
				}
			}
		}
	}
}

func TestWhatLedgersWantIsDoneThoughNoFileWasTouched(t *testing.T) {
	h := newAttended(t, "")
	h.awaitRest()
	ledger, err := order.LoadInstances(state.Dir(h.State()).Instances())
	h.must(err)
	h.must(ledger.Submit(order.Instance{Account: "main", ID: "cas_dv_1"}, h.Name(1), nil))
	if _, err := ledger.Claim("main", h.Name(1), order.Claim{Instance: "cas_dv_1"}); err != nil {
		t.Fatal(err)
	}
	h.must(ledger.Submit(order.Instance{Account: "main", ID: "cas_dv_1"}, h.Name(1), nil))
	a := h.agent()
	ctx, cancel := context.WithCancel(h.Context())
	cancel() // nobody is called
	outcomes, err := a.Renew(ctx, Renewal{NoWait: true, Timeout: time.Minute, Caller: tester})
	if err == nil && state.Worst(outcomes) == state.Served {
		t.Errorf("an unfinished submission is passed over: %+v", outcomes)
	}
}

func TestADamagedStoreIsSeenWhateverItsTimes(t *testing.T) {
	h := newAttended(t, "")
	h.awaitRest()
	key := filepath.Join(h.State(), "certificates", h.Name(0), "current", bundle.KeyFile)
	was, err := os.Stat(key)
	h.must(err)
	other := bundletest.NewCA(t, "other").Issue(t, bundletest.Leaf{Names: []string{h.Name(0)}})
	h.must(os.WriteFile(key, other.KeyPEM(), 0o600))
	h.must(os.Chtimes(key, was.ModTime(), was.ModTime()))
	if is, err := os.Stat(key); err != nil || is.Size() != was.Size() {
		t.Fatalf("the other key is of another size: %v", err)
	}
	if over := h.passedOver(); len(over) != 1 {
		t.Errorf("passed over are %v", over)
	}
}

func TestSealsAreNoMoreThanACache(t *testing.T) {
	h := newAttended(t, "")
	h.awaitRest()
	path := state.Dir(h.State()).Seals()
	whole, err := os.ReadFile(path)
	h.must(err)
	for name, content := range map[string][]byte{"cut": whole[:len(whole)/2], "flipped": append([]byte{whole[0] ^ 1}, whole[1:]...), "empty": nil} {
		h.must(os.WriteFile(path, content, 0o600))
		if over := h.passedOver(); len(over) != 0 {
			t.Errorf("%s: passed over are %v", name, over)
		}
		if outcomes := h.renew(); state.Worst(outcomes) != state.Served || len(h.passedOver()) != h.Certificates {
			t.Errorf("%s: it is not made anew: %+v", name, outcomes)
		}
	}
	h.must(os.Remove(path))
	if outcomes := h.renew(); state.Worst(outcomes) != state.Served || len(h.passedOver()) != h.Certificates {
		t.Errorf("gone: it is not made anew: %+v", outcomes)
	}
}

func TestAllIsReadInFullOnceADay(t *testing.T) {
	h := newAttended(t, "")
	h.awaitRest()
	name := h.Name(0)
	book := seal.Open(state.Dir(h.State()).Seals())
	old, _ := book.Of(name)
	old.Looked = time.Now().Add(-24 * time.Hour).Unix()
	book.Put(name, old)
	h.must(book.Save())
	if over := h.passedOver(); len(over) != 1 {
		t.Errorf("a day later, passed over are %v", over)
	}
	begun := time.Now().Unix()
	h.renew()
	if again, sealed := h.passedOver()[name]; !sealed || again.Looked < begun {
		t.Errorf("it was not read: %+v", again)
	}
}
