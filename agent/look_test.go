package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/check"
	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/agent/seal"
	"dvagent/agent/state"
	"dvagent/agent/statetest"
	"dvagent/agent/view"
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
	return newAttendedMany(t, 2, more)
}

func newAttendedMany(t *testing.T, certificates int, more string) *attended {
	t.Helper()
	t.Parallel() // it waits for the clocks of file systems
	h := &attended{t, statetest.Host{Dir: t.TempDir(), Certificates: certificates}, strings.ReplaceAll(more, "DIR", t.TempDir())}
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

// said is all that check, plan and status say of the host at a time.
func (h *attended) said(now time.Time) map[string]string {
	h.Helper()
	a := h.agent()
	status, err := view.ReadStatus(h.Context(), a.host, now)
	h.must(err)
	var findings strings.Builder
	for _, f := range check.New(a.host, a.accounts).Host(h.Context(), now) {
		fmt.Fprintf(&findings, "%s: %s%v %v\n", f.Subject, f.OK, f.Err, f.Warning)
	}
	return map[string]string{"plan": h.json(view.ReadPlan(h.Context(), a.host, now)), "status": h.json(status), "check": findings.String()}
}

func (h *attended) json(value any) string {
	h.Helper()
	text, err := json.MarshalIndent(value, "", " ")
	h.must(err)
	return string(text)
}

// sealsChangeNothing fails where what is said of the host is not what all files say.
func (h *attended) sealsChangeNothing() {
	h.Helper()
	seals, now := state.Dir(h.State()).Seals(), time.Now()
	sealed := h.said(now)
	h.must(os.Rename(seals, seals+".away"))
	full := h.said(now)
	h.must(os.Rename(seals+".away", seals))
	for what, text := range full {
		if sealed[what] != text {
			h.Errorf("by its seals, %s says\n%s\nbut the files say\n%s", what, sealed[what], text)
		}
	}
}

// touches are ways to change a file that keep its size or its time, and others.
var touches = []struct {
	name   string
	change func(path string, was fs.FileInfo) error
}{
	{"written in place with the same size, its time set back", func(path string, was fs.FileInfo) error {
		return errors.Join(os.WriteFile(path, bytes.Repeat([]byte("x"), int(was.Size())), 0o600), os.Chtimes(path, was.ModTime(), was.ModTime()))
	}},
	{"replaced by one of the same size and time", func(path string, was fs.FileInfo) error {
		return errors.Join(os.WriteFile(path+".x", bytes.Repeat([]byte("x"), int(was.Size())), was.Mode()),
			os.Chtimes(path+".x", was.ModTime(), was.ModTime()), os.Rename(path+".x", path))
	}},
	{"shorter, its time set back", func(path string, was fs.FileInfo) error {
		return errors.Join(os.Truncate(path, was.Size()-1), os.Chtimes(path, was.ModTime(), was.ModTime()))
	}},
	{"its mode", func(path string, _ fs.FileInfo) error { return os.Chmod(path, 0o640) }},
	{"another hard link", func(path string, _ fs.FileInfo) error { return os.Link(path, path+".link") }},
	{"a symlink to what it was", func(path string, _ fs.FileInfo) error {
		return errors.Join(os.Rename(path, path+".to"), os.Symlink(path+".to", path))
	}},
	{"removed", func(path string, _ fs.FileInfo) error { return os.Remove(path) }},
}

func TestCheckPlanAndStatusSayTheSameByASealAsByTheFiles(t *testing.T) {
	const files = 6
	h := newAttendedMany(t, files*len(touches)+1, "")
	h.awaitRest()
	h.sealsChangeNothing()
	for i, touch := range touches {
		for j := range files {
			n := i*files + j
			dir, target := filepath.Join(h.State(), "certificates", h.Name(n)), h.Target(n)
			path := [files]string{target.Key, target.Fullchain, filepath.Join(dir, rollout.File), filepath.Join(dir, "current", bundle.CertFile),
				filepath.Join(dir, "current", bundle.KeyFile), filepath.Join(dir, "current", bundle.FullchainFile)}[j]
			was, err := os.Stat(path)
			h.must(err)
			h.must(touch.change(path, was))
			if _, over := h.passedOver()[h.Name(n)]; over {
				t.Errorf("%s, %s: its seal is believed", filepath.Base(path), touch.name)
			}
		}
	}
	if over := h.passedOver(); len(over) != 1 {
		t.Errorf("believed are %v", over)
	}
	h.sealsChangeNothing()
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
