package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func newIdentity(t *testing.T) string {
	t.Helper()
	text, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return fleettest.Identity(t, text)
}

// open makes the fleet of settings, which is closed at the end.
func open(t *testing.T, settings config.Fleet) *Fleet {
	t.Helper()
	f := New(settings)
	t.Cleanup(f.Close)
	return f
}

func TestAnEntryIsWrittenOnlyAsItWasRead(t *testing.T) {
	cluster := fleettest.One(t)
	f := open(t, cluster.Settings(newIdentity(t)))
	absent, err := f.Read(t.Context(), "bundles/www")
	if err != nil || absent.Revision != 0 || absent.Value != nil {
		t.Fatalf("%+v: %v", absent, err)
	}
	guard := Entry{Key: "hosts/a"}
	for _, tt := range []struct {
		name    string
		changes func(first, now Entry) []Change
		changed bool
		value   string
	}{
		{"the first one is written", func(first, now Entry) []Change { return []Change{first.Put([]byte("1"))} }, false, "1"},
		{"it is not there twice", func(first, now Entry) []Change { return []Change{first.Put([]byte("2"))} }, true, "1"},
		{"it is replaced as it was read", func(first, now Entry) []Change { return []Change{now.Put([]byte("3"))} }, false, "3"},
		{"all or none is changed", func(first, now Entry) []Change { return []Change{guard.Put([]byte("x")), first.Put([]byte("4"))} }, true, "3"},
		{"another entry has to stand", func(first, now Entry) []Change { return []Change{guard.Stands(), now.Put([]byte("5"))} }, false, "5"},
		{"another entry does not stand", func(first, now Entry) []Change {
			return []Change{Entry{Key: "hosts/a", Revision: 1}.Stands(), now.Put([]byte("6"))}
		}, true, "5"},
		{"it is removed as it was read", func(first, now Entry) []Change { return []Change{now.Remove()} }, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now, err := f.Read(t.Context(), "bundles/www")
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Write(t.Context(), tt.changes(absent, now)...); errors.Is(err, ErrChanged) != tt.changed || err != nil && !tt.changed {
				t.Errorf("got %v", err)
			}
			if now, err = f.Read(t.Context(), "bundles/www"); string(now.Value) != tt.value || err != nil {
				t.Errorf("it is %q: %v", now.Value, err)
			}
		})
	}
	if all, _, err := f.ReadAll(t.Context(), "hosts/"); err != nil || len(all) != 0 {
		t.Errorf("a part of a transaction that failed was written: %v, %v", all, err)
	}
}

func TestAnotherPrefixIsAnotherFleet(t *testing.T) {
	settings := fleettest.One(t).Settings(newIdentity(t))
	ours := open(t, settings)
	settings.Prefix = "/other/"
	theirs := open(t, settings)
	if err := ours.Write(t.Context(), Entry{Key: "bundles/www"}.Put([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if all, _, err := theirs.ReadAll(t.Context(), "bundles/"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	all, at, err := ours.ReadAll(t.Context(), "bundles/")
	if err != nil || len(all) != 1 || all[0].Key != "bundles/www" || at < all[0].Revision {
		t.Errorf("%+v at %d, %v", all, at, err)
	}
}

func TestEtcdIsReachedByTLSWithACertificateOfTheHost(t *testing.T) {
	cluster := fleettest.Secured(t)
	settings := cluster.Settings(newIdentity(t))
	none := secret.Secret{}
	for _, tt := range []struct {
		name  string
		spoil func(*config.Fleet)
		hint  string
	}{
		{"with all that it wants", func(*config.Fleet) {}, ""},
		{"without a certificate of the host", func(s *config.Fleet) { s.CertFile, s.Key = "", none }, "see ca_file"},
		{"with a CA that it is not of", func(s *config.Fleet) { s.CAFile = "" }, "see ca_file"},
		{"with a key of another certificate", func(s *config.Fleet) { s.Key.File = s.CertFile }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one := settings
			tt.spoil(&one)
			_, err := open(t, one).Read(t.Context(), "bundles/www")
			if fails := tt.name != "with all that it wants"; (err != nil) != fails || fails && !strings.Contains(hint.Of(err), "_file") {
				t.Errorf("got %v (%s)", err, hint.Of(err))
			}
		})
	}
}

func TestAnEtcdThatDoesNotAnswerIsToldAndMayComeBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	f := open(t, config.Fleet{Etcd: []string{"http://" + address}, Prefix: "/dvagent/"})
	_, err = f.Read(t.Context(), "bundles/www")
	var failed *Error
	if !errors.As(err, &failed) || !failed.Transient() || !strings.Contains(err.Error(), "connection refused") || hint.Of(err) == "" {
		t.Errorf("got %v (%s)", err, hint.Of(err))
	}
}

func TestAMemberThatHangsIsLeftForAnother(t *testing.T) {
	cluster := fleettest.Three(t)
	f := open(t, cluster.Settings(newIdentity(t)))
	for i, member := range cluster.Members {
		member.Stop()
		if _, err := readWithin(t.Context(), f, 10); err != nil {
			t.Errorf("while member %d hangs: %v", i, err)
		}
		member.Continue()
		member.Await()
	}
}

// readWithin tries a few times: a leader has to be found.
func readWithin(ctx context.Context, f *Fleet, tries int) (entry Entry, err error) {
	for range tries {
		if entry, err = f.Read(ctx, "bundles/www"); err == nil {
			break
		}
	}
	return entry, err
}

func TestWhatIsSealedIsReadByTheFleetAlone(t *testing.T) {
	ours := New(config.Fleet{Identity: secret.Secret{File: newIdentity(t)}})
	theirs := New(config.Fleet{Identity: secret.Secret{File: newIdentity(t)}})
	sealed, err := ours.Seal("bundles/www", []byte("canary"))
	if err != nil || strings.Contains(sealed, "canary") {
		t.Fatalf("%s: %v", sealed, err)
	}
	half := sealed[:len(sealed)/2]
	for _, tt := range []struct {
		name       string
		by         *Fleet
		as, sealed string
		want       error
	}{
		{"by the fleet", ours, "bundles/www", sealed, nil},
		{"by another fleet", theirs, "bundles/www", sealed, ErrForeign},
		{"as something else", ours, "bundles/shop", sealed, ErrMisplaced},
		{"cut", ours, "bundles/www", half, ErrForeign},
		{"no seal at all", ours, "bundles/www", "x", ErrForeign},
		{"nothing", ours, "bundles/www", "", ErrForeign},
		{"far too long", ours, "bundles/www", strings.Repeat("x", mostSealed+1), ErrForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := tt.by.Open(tt.as, tt.sealed)
			if !errors.Is(err, tt.want) || tt.want == nil && (err != nil || string(text) != "canary") {
				t.Errorf("%q: %v", text, err)
			}
		})
	}
}

func TestAnIdentityIsReplacedHostByHost(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first, second := read(newIdentity(t)), read(newIdentity(t))
	fleet := func(text string) *Fleet {
		return New(config.Fleet{Identity: secret.Secret{File: fleettest.Identity(t, text)}})
	}
	old, both, moved := fleet(first), fleet(first+second), fleet(second+first)
	for i, pair := range [][2]*Fleet{{old, both}, {both, old}, {both, moved}, {moved, both}} {
		sealed, err := pair[0].Seal("x", []byte("y"))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := pair[1].Open("x", sealed); err != nil || string(text) != "y" {
			t.Errorf("pair %d: %v", i, err)
		}
	}
}

func TestAnIdentityThatIsNoneIsNotRepeated(t *testing.T) {
	for i, text := range []string{"canary", "# canary\n", "AGE-SECRET-KEY-1CANARY\n"} {
		f := New(config.Fleet{Identity: secret.Secret{File: fleettest.Identity(t, text)}})
		_, err := f.Seal("x", nil)
		if !errors.Is(err, errIdentity) || strings.Contains(strings.ToLower(fmt.Sprint(err, hint.Of(err))), "canary") {
			t.Errorf("text %d: %v", i, err)
		}
	}
}
