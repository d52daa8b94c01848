package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dvagent/agent/order"
	"dvagent/internal/sandbox"
)

// findings are those of a check of the world's certificate, a line for each.
func (s *site) findings() string {
	s.Helper()
	found, err := s.check().Files(s.online(s.Context()), tester)
	if err != nil {
		s.Fatal(err)
	}
	var lines []string
	for _, f := range found {
		switch {
		case f.Err == nil:
			lines = append(lines, "ok "+f.OK)
		case f.Warning:
			lines = append(lines, "warning "+f.Err.Error())
		default:
			lines = append(lines, "failed "+f.Err.Error())
		}
	}
	return strings.Join(lines, "\n")
}

// fault 117
func TestACheckTriesTheWayOfAFileBeforeAnOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	for _, tt := range []struct {
		name    string
		prepare func()
		want    []string
	}{
		{"all is well", func() {}, []string{"ok http://example.com/.well-known/pki-validation/dvagent-probe-", "ok http://www.example.com/", ".txt: 127.0.0.1 shows the file"}},
		{"another content is shown", func() { s.blue.Store(true) }, []string{`failed http://example.com/.well-known/pki-validation/dvagent-probe-`, `127.0.0.1 shows another content ("<html>")`}},
		{"nobody listens", func() {
			s.network = &port80{err: syscall.ECONNREFUSED}
		}, []string{"warning no web server answers at port 80 of example.com: 127.0.0.1 refuses the connection"}},
		{"CAA forbids it", func() { s.sandbox.AddRecord("example.com", "@", "CAA", `0 issue "letsencrypt.org"`) }, []string{"failed CAA of example.com does not let"}},
		{"the webroot is gone", func() { os.RemoveAll(s.root) }, []string{"failed webroot " + s.root + ": "}},
	} {
		tt.prepare()
		found := s.findings()
		for _, want := range tt.want {
			if !strings.Contains(found, want) {
				t.Errorf("%s: %q is not in\n%s", tt.name, want, found)
			}
		}
		if len(s.owed()) > 0 {
			t.Errorf("%s: owed is %+v", tt.name, s.owed())
		}
	}
	if calls := s.calls(); len(calls) > 0 {
		t.Errorf("called: %v", calls)
	}
}

// fault 118: a check that was killed leaves its file to the next pass.
func TestAFileOfACheckThatWasKilledIsRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	s.renewed(Renewal{})
	owed, err := order.LoadOwed(s.where().Records())
	if err != nil {
		t.Fatal(err)
	}
	r := order.Record{Kind: order.File, Zone: s.root, RR: ".well-known/pki-validation/dvagent-probe-1.txt",
		Name: "example.com/.well-known/pki-validation/dvagent-probe-1.txt", Value: "dvagent-check", Made: 2}
	if err := errors.Join(owed.Note(order.Adding, "example.com", r), os.MkdirAll(filepath.Dir(filepath.Join(r.Zone, r.RR)), 0o755),
		os.WriteFile(filepath.Join(r.Zone, r.RR), []byte(r.Value), 0o644)); err != nil {
		t.Fatal(err)
	}
	if status := s.status(); len(status.Records) != 1 || status.Records[0].File != filepath.Join(r.Zone, r.RR) {
		t.Errorf("status: %+v", status.Records)
	}
	s.renew(Renewal{})
	if left := s.left(); left != "" || len(s.owed()) > 0 {
		t.Errorf("left: %s, %+v", left, s.owed())
	}
}

// fault 117
func TestATraceShowsEachRequestForTheFile(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	walk, err := s.check().Trace(s.online(t.Context()), "example.com")
	if err != nil || walk.Why != "the usual place, for a file that is not there" || !strings.HasSuffix(walk.String(), "127.0.0.1 does not have the file (404)") {
		t.Errorf("%+v, %v", walk, err)
	}
	s.blue.Store(true)
	s.waits()
	s.blue.Store(false)
	walk, err = s.check().Trace(s.online(t.Context()), "example.com")
	if err != nil || walk.File == "" || !strings.HasSuffix(walk.String(), "127.0.0.1 shows the file") {
		t.Errorf("%+v, %v", walk, err)
	}
	if hops := walk.Visits[0].Hops; len(hops) != 1 || hops[0].URL != "http://"+walk.Name || !strings.HasPrefix(hops[0].Answer, "200, ") {
		t.Errorf("%+v", hops)
	}
}
