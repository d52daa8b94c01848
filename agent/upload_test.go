package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/agent/upload"
	"dvagent/agent/view"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

// uploads are the requests that the account has taken in or refused.
func (w *world) uploads() int {
	calls := w.calls()
	return calls["UploadUserCertificate"] + calls["CreateUserCertificate"]
}

// keys are the account's certificates of the current version that products can
// use.
func (w *world) keys() []sandbox.Certificate {
	w.Helper()
	id := bundle.LeafKeyID(w.pair().Leaf)
	return slices.DeleteFunc(w.sandbox.Certificates(), func(c sandbox.Certificate) bool { return c.KeyHash != id || !c.HasKey })
}

// pair is the current version.
func (w *world) pair() *bundle.Bundle {
	w.Helper()
	b, err := bundle.Load(w.where().Store("example.com").CurrentDir())
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// put uploads a pair under a name, as somebody else does.
func (w *world) put(name string, b *bundle.Bundle) {
	w.Helper()
	vault, err := w.agent().accounts.Vault(w.Context(), "main")
	if err == nil {
		_, err = vault.Put(w.Context(), name, b)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// kept is what the status says of the upload.
func (w *world) kept() view.UploadStatus {
	w.Helper()
	if u := w.status().Certificates[0].Upload; u != nil {
		return *u
	}
	return view.UploadStatus{}
}

// issued is a world with a version that was not uploaded, and with the upload
// turned on since.
func issued(t *testing.T) *world {
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	w.calls()
	w.extra = "upload = true\n"
	return w
}

func TestEachNewPairIsInTheAccountOnce(t *testing.T) {
	for _, tt := range []struct {
		name, api, extra string
		uploads          int // of each version
	}{
		{"a key that was made here is uploaded", sandbox.API2020, "", 1},
		{"a key that CAS made is there", sandbox.API2020, "private_key = \"cas\"\n", 0},
		{"an order of 2018-07-13 is there with its key", sandbox.API2018, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.api, w.extra = tt.api, "upload = true\n"+tt.extra
			for _, r := range []Renewal{{}, {Force: true}} {
				w.renewed(r)
				keys, kept := w.keys(), w.kept()
				if n := w.uploads(); n != tt.uploads || len(keys) != 1 {
					t.Fatalf("%d uploads; the account has %+v", n, keys)
				}
				if kept.Owed || kept.Version != w.current() || kept.CertID != keys[0].ID || kept.Name != keys[0].Name {
					t.Errorf("the status says %+v of %+v", kept, keys[0])
				}
				if o := w.renew(Renewal{}); o.Class != state.Served || len(w.calls()) > 0 {
					t.Errorf("with nothing due: %+v", o)
				}
			}
		})
	}
}

// fault 115
func TestAPairIsLookedUpBeforeItIsSent(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(w *world, name string)
		uploads int
		named   string // the end of its name
	}{
		{"it is not there", func(*world, string) {}, 1, ""},
		{"it is there under another name", func(w *world, _ string) { w.put("somebody_elses", w.pair()) }, 0, "somebody_elses"},
		{"its name is taken by another certificate", func(w *world, name string) {
			w.put(name, bundletest.NewCA(w, "other").Issue(w, bundletest.Leaf{Names: []string{"other.example"}}))
		}, 1, "_2"},
		{"the answer is lost", func(w *world, _ string) { w.faults("lose-answer:UploadUserCertificate:1") }, 1, ""},
		{"the request is lost", func(w *world, _ string) { w.faults("drop-request:UploadUserCertificate:1") }, 2, ""},
		{"the server fails after the effect", func(w *world, _ string) { w.faults("error-500-applied:UploadUserCertificate:1") }, 1, ""},
		{"the server fails before the effect", func(w *world, _ string) { w.faults("error-500:UploadUserCertificate:1") }, 2, ""},
		{"the identifier cannot be read at first", func(w *world, _ string) { w.faults("error-503:GetUserCertificateDetail:5") }, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := issued(t)
			name := upload.Name("example.com", w.current(), 1)
			tt.arrange(w, name)
			w.calls()
			if o := w.renew(Renewal{}); o.Class != state.Served {
				t.Fatalf("%+v", o)
			}
			n, keys, kept := w.uploads(), w.keys(), w.kept()
			if n != tt.uploads || len(keys) != 1 || !strings.HasSuffix(keys[0].Name, tt.named) || tt.named == "" && keys[0].Name != name {
				t.Fatalf("%d uploads; the account has %+v", n, keys)
			}
			if kept.Owed || kept.CertID != keys[0].ID || kept.CertIdentifier != fmt.Sprintf("%d-cn-hangzhou", keys[0].ID) {
				t.Errorf("the status says %+v", kept)
			}
		})
	}
}

// fault 115
func TestAPairOfTheOlderAPIThatTheAccountLacksIsUploaded(t *testing.T) {
	for _, fault := range []string{"", "lose-answer:CreateUserCertificate:1", "drop-request:CreateUserCertificate:1"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.renewed(Renewal{})
			client, err := w.agent().accounts.Client("main")
			if err != nil {
				t.Fatal(err)
			}
			if err := client.DeleteUserCertificate(t.Context(), w.sandbox.Certificates()[0].ID); err != nil {
				t.Fatal(err)
			}
			if fault != "" {
				w.faults(fault)
			}
			w.extra = "upload = true\n"
			if o := w.renew(Renewal{}); o.Class != state.Served {
				t.Fatalf("%+v", o)
			}
			if keys := w.keys(); len(keys) != 1 || w.kept().CertID != keys[0].ID {
				t.Errorf("the account has %+v, and the status says %+v", keys, w.kept())
			}
		})
	}
}

// What keeps an upload from succeeding holds up nothing else, and is told.
func TestAnUploadThatFailsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	log := filepath.Join(w.dir, "log")
	w.extra = "upload = true\n" + w.target() + w.hook(log)
	w.faults("forbidden:UploadUserCertificate")
	o := w.renew(Renewal{})
	if o.Class != state.NotServed || o.Step != state.StepUpload || !o.Ordered || !strings.Contains(o.Hint(), "yundun-cert:UploadUserCertificate") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
	served, err := bundle.LoadLeaf(filepath.Join(w.where().Certificate("example.com"), "current"))
	installed, readErr := os.ReadFile(filepath.Join(w.dir, "www.pem"))
	if err != nil || readErr != nil || !bundle.HasLeaf(installed, served) {
		t.Errorf("not installed: %v, %v", err, readErr)
	}
	if kept := w.kept(); !kept.Owed || kept.Error == "" || kept.RetryAt.IsZero() || kept.Begun {
		t.Errorf("the status says %+v", kept)
	}
	if got, want := w.read(log), "failed [] []\nissued [] []\ndeployed [] []\n"; got != want {
		t.Errorf("the hooks saw %q, want %q", got, want)
	}

	w.faults()
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || o.Ordered || w.uploads() != 1 {
		t.Errorf("once it is granted: %+v", o)
	}
	id := w.kept().CertID
	told := fmt.Sprintf(" [%d] [%d-cn-hangzhou]\n", id, id)
	if got, want := w.read(log), "issued"+told+"deployed"+told; !strings.HasSuffix(got, want) {
		t.Errorf("the hooks saw %q, and no %q", got, want)
	}
	before := w.read(log)
	if o := w.renew(Renewal{}); o.Class != state.Served || w.read(log) != before {
		t.Errorf("with nothing due: %+v, and the hooks saw %q", o, w.read(log))
	}
}

func TestHooksAreToldOnceWhereThePairIs(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	log := filepath.Join(w.dir, "log")
	w.extra = "upload = true\n" + w.target() + w.hook(log)
	w.renewed(Renewal{})
	w.renew(Renewal{})
	id := w.kept().CertID
	told := fmt.Sprintf(" [%d] [%d-cn-hangzhou]\n", id, id)
	if got, want := w.read(log), "issued"+told+"deployed"+told; got != want {
		t.Errorf("the hooks saw %q, want %q", got, want)
	}
}

// hook writes where each event says that the pair is.
func (w *world) hook(log string) string {
	w.Helper()
	script := filepath.Join(w.dir, "hook")
	text := fmt.Sprintf("#!/bin/sh\necho \"$DVAGENT_EVENT [$DVAGENT_CERT_ID] [$DVAGENT_CERT_IDENTIFIER]\" >> %s\n", log)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("\n[[hook]]\non = [\"issued\", \"deployed\", \"failed\"]\ncommand = [%q]\n", script)
}

func (w *world) read(path string) string {
	w.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

// fault 115
func TestAnUploadThatWasCutOffIsLookedUpAtTheNextCall(t *testing.T) {
	t.Parallel()
	w := issued(t)
	w.faults("hang:UploadUserCertificate:1")
	if o := w.renew(Renewal{Timeout: 6 * time.Second}); o.Class != state.Pending || o.Waiting != state.Interrupted {
		t.Errorf("%+v", o)
	}
	if kept := w.kept(); !kept.Begun || !kept.Owed {
		t.Errorf("the status says %+v", kept)
	}
	journal := w.read(w.where().RolloutJournal("example.com"))
	name := upload.Name("example.com", w.current(), 1)
	if !strings.Contains(journal, `"fact":"started","target":"upload","version":"`+w.current()+`","place":{"account":"main","name":"`+name+`"}`) {
		t.Errorf("the journal does not say that it was begun:\n%s", journal)
	}
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || w.uploads() != 0 || len(w.keys()) != 1 {
		t.Errorf("%+v; the account has %+v", o, w.keys())
	}
}

func TestAFailedUploadIsNotTriedAgainBeforeItsTime(t *testing.T) {
	t.Parallel()
	w := issued(t)
	w.faults("forbidden:ListCertificates")
	w.renew(Renewal{})
	w.faults()
	w.calls()
	err := w.agent().underLock(t.Context(), tester, state.Scope{}, func(_ context.Context, p *pass) error {
		s, err := w.where().Read(w.agent().host.Config.Certificates[0])
		if o := p.uploads.Upload(t.Context(), s); o.Class != state.NotServed || o.Next.Before(state.Now()) {
			t.Errorf("%+v", o)
		}
		return err
	})
	if err != nil || len(w.calls()) > 0 {
		t.Errorf("called although it is held up, %v", err)
	}
}

func TestARolledBackVersionIsUploadedToo(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.extra = "upload = true\n"
	w.renewed(Renewal{})
	first := w.kept()
	w.renewed(Renewal{Force: true})
	w.calls()
	if o, err := w.agent().Rollback(t.Context(), "example.com", "", tester); err != nil || o.Class != state.Served {
		t.Fatalf("%+v, %v", o, err)
	}
	if kept := w.kept(); kept.CertID != first.CertID || w.uploads() != 0 {
		t.Errorf("the status says %+v; it was %+v", kept, first)
	}
}

func TestAnotherAccountGetsThePairToo(t *testing.T) {
	t.Parallel()
	w := issued(t)
	s, err := w.where().Read(w.agent().host.Config.Certificates[0])
	if err == nil {
		err = s.Rollout.Uploaded(s.Current, rollout.Place{Account: "other", Name: "x", ID: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	if kept := w.kept(); !kept.Owed || kept.CertID != 0 {
		t.Errorf("the status says %+v", kept)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.uploads() != 1 {
		t.Errorf("%+v", o)
	}
}

func TestTheAccountIsListedOnceForTheCertificatesOfAPass(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	for _, name := range []string{"a", "b", "c"} {
		w.extra += fmt.Sprintf("\n[[certificate]]\nname = %q\ndomains = [\"%s.example.com\"]\nupload = true\n", name, name)
	}
	w.faults("forbidden:UploadUserCertificate")
	if _, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester}); err != nil {
		t.Fatal(err)
	}
	w.faults()
	w.calls()
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester})
	if err != nil || state.Worst(outcomes) != state.Served {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	if calls := w.calls(); calls["ListCertificates"] != 1 || calls["UploadUserCertificate"] != 3 {
		t.Errorf("called %v", calls)
	}
}
