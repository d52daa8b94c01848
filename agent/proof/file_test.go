package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// newFiles is a prover by files with an empty ledger and webroot.
func newFiles(t *testing.T) (files *Files, owed *order.Owed, root string) {
	t.Helper()
	cfg := config.Config{StateDir: t.TempDir()}
	host := state.NewHost(&cfg, nil, nil)
	owed, err := order.LoadOwed(host.Dir.Records())
	if err != nil {
		t.Fatal(err)
	}
	return NewFiles(NewDNS(NewZones(host, nil))), owed, t.TempDir()
}

func fileOf(host, content string) order.Challenge {
	return order.Challenge{Kind: order.File, Name: host + "/.well-known/pki-validation/fileauth.txt", Value: content}
}

// fault 118
func TestCertificatesThatShareAWebrootWaitForEachOther(t *testing.T) {
	files, owed, root := newFiles(t)
	a, b := Owed{owed, "a"}, Owed{owed, "b"}
	first, ours, err := files.Put(t.Context(), Subject{Certificate: "a", Webroot: root}, fileOf("a.example", "one"), a)
	if err != nil || !ours {
		t.Fatal(ours, err)
	}
	if _, _, err := files.Put(t.Context(), Subject{Certificate: "b", Webroot: root}, fileOf("b.example", "two"), b); err == nil || !state.Transient(err) {
		t.Errorf("got %v", err)
	}
	if len(owed.Of("b")) > 0 {
		t.Errorf("owed without having been written: %+v", owed.All())
	}
	beside := order.Challenge{Kind: order.File, Name: "b.example/.well-known/pki-validation/other.txt", Value: "two"}
	second, ours, err := files.Put(t.Context(), Subject{Certificate: "b", Webroot: root}, beside, b)
	if err != nil || !ours {
		t.Fatal(ours, err)
	}
	for _, step := range []struct {
		r      order.Record
		ledger Owed
	}{{first, a}, {second, b}} {
		if err := files.Remove(t.Context(), step.r, step.ledger); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 || len(owed.All()) > 0 {
		t.Errorf("left: %v, %v, %+v", left, err, owed.All())
	}
}

// fault 118: several names show one file, which goes once.
func TestOneFileOfSeveralNamesIsWrittenAndRemovedOnce(t *testing.T) {
	files, owed, root := newFiles(t)
	ledger, s := Owed{owed, "www"}, Subject{Certificate: "www", Webroot: root}
	var records []order.Record
	for _, host := range []string{"example.com", "www.example.com"} {
		r, ours, err := files.Put(t.Context(), s, fileOf(host, "one"), ledger)
		if err != nil || !ours {
			t.Fatal(ours, err)
		}
		records = append(records, r)
	}
	for _, r := range records {
		if err := files.Remove(t.Context(), r, ledger); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 || len(owed.All()) > 0 {
		t.Errorf("left: %v, %v, %+v", left, err, owed.All())
	}
}

// A file that somebody put there with the very content serves, and stays.
func TestTheSameFileOfSomebodyElseIsKept(t *testing.T) {
	files, owed, root := newFiles(t)
	c := fileOf("example.com", "one")
	path := filepath.Join(root, strings.TrimPrefix(c.Name, "example.com/"))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, ours, err := files.Put(t.Context(), Subject{Certificate: "www", Webroot: root}, c, Owed{owed, "www"})
	if err != nil || ours || len(owed.All()) > 0 {
		t.Errorf("ours is %t, %v, %+v", ours, err, owed.All())
	}
}

func TestWhatCannotBeProvedInTheConfiguredWayIsSaid(t *testing.T) {
	byFile, byDNS := Subject{Webroot: "/srv"}, Subject{Account: "main"}
	record := order.Challenge{Kind: order.TXT, Name: "_dnsauth.example.com"}
	for _, tt := range []struct {
		name string
		s    Subject
		c    order.Challenge
		can  bool
	}{
		{"a file in a webroot", byFile, fileOf("example.com", "x"), true}, {"a record in a zone", byDNS, record, true},
		{"a file without a webroot", byDNS, fileOf("example.com", "x"), false}, {"a record without an account", byFile, record, false},
	} {
		if err := Can(tt.s, tt.c); (err == nil) != tt.can {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := Agree([]order.Challenge{fileOf("a.example", "one"), fileOf("b.example", "one"), record}); err != nil {
		t.Errorf("one file for two names: %v", err)
	}
	if err := Agree([]order.Challenge{fileOf("a.example", "one"), fileOf("b.example", "two")}); err == nil {
		t.Error("two files of one name agree")
	}
}
