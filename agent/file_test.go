package agent

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// site is a world whose names are proved by files that a web server shows.
type site struct {
	*world
	root string
	blue atomic.Bool // the server shows something else
}

// port80 is this host's network, but for what is asked of a web server.
type port80 struct {
	leads string // the address that answers
	err   error  // in place of an answer
}

func (p *port80) DialContext(ctx context.Context, protocol, address string) (net.Conn, error) {
	if address != "127.0.0.1:80" {
		return new(net.Dialer).DialContext(ctx, protocol, address)
	}
	if p.err != nil {
		return nil, &net.OpError{Op: "dial", Err: p.err}
	}
	return new(net.Dialer).DialContext(ctx, protocol, p.leads)
}

// newSite orders through an API, or from a package where the API is "".
func newSite(t *testing.T, api string, options sandbox.Options) *site {
	t.Helper()
	root := t.TempDir()
	s := &site{root: root}
	files := http.FileServer(http.Dir(root))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.blue.Load() {
			fmt.Fprint(w, "<html>")
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	listener := server.Listener.Addr().(*net.TCPAddr)
	options.HTTPPort = listener.Port
	if api == "" {
		options.Packages = []sandbox.Package{{ProductCode: "digicert-free-1-free", Total: 5}}
	}
	s.world = newWorld(t, options)
	s.api = api
	s.domains = `["example.com", "www.example.com"]`
	s.extra = fmt.Sprintf("validation = \"file\"\nwebroot = %q\n", root)
	if api == "" {
		s.api, s.extra = sandbox.API2020, s.extra+"package = \"digicert-free-1-free\"\n"
	}
	s.network = &port80{leads: listener.String()}
	for _, rr := range []string{"@", "www"} {
		if _, err := s.sandbox.AddRecord("example.com", rr, "A", "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// waits renews until the file is written and the order waits, and returns for what.
func (s *site) waits() string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.online(context.Background()), time.Minute)
	defer cancel()
	said := ""
	s.onProgress(func(p state.Progress) {
		if p.Waiting && (p.Step == string(order.Propagate) || p.Step == string(order.Issue)) && said == "" {
			said = p.Text
			cancel()
		}
	})
	_, err := s.agent().Renew(ctx, Renewal{Timeout: time.Minute, Caller: tester})
	s.observe = nil
	if said == "" || len(s.owed()) == 0 {
		s.Fatalf("there is no file: %q, %v", said, err)
	}
	return said
}

// left lists what is in the webroot.
func (s *site) left() string {
	s.Helper()
	var names []string
	err := filepath.WalkDir(s.root, func(path string, _ fs.DirEntry, err error) error {
		if path != s.root {
			names = append(names, strings.TrimPrefix(path, s.root+"/"))
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return strings.Join(names, " ")
}

// owed lists the files that are owed.
func (s *site) owed() []order.OwedRecord {
	s.Helper()
	owed, err := order.LoadOwed(s.where().Records())
	if err != nil {
		s.Fatal(err)
	}
	return owed.All()
}

// ofEachShop tries both APIs, and a package.
func ofEachShop(t *testing.T, try func(t *testing.T, api string)) {
	for name, api := range map[string]string{"2018-07-13": sandbox.API2018, "2020-04-07": sandbox.API2020, "a package": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, api)
		})
	}
}

const usualFile = ".well-known/pki-validation/fileauth.txt"

// fault 118
func TestAFileProvesTheNamesWithoutAZone(t *testing.T) {
	ofEachShop(t, func(t *testing.T, api string) {
		s := newSite(t, api, sandbox.Options{})
		var said []string
		s.onProgress(func(p state.Progress) { said = append(said, p.Text) })
		s.renewed(Renewal{})
		for action := range s.calls() {
			if strings.Contains(action, "Domain") && action != "DescribeDomainInfo" {
				t.Errorf("%s was called", action)
			}
		}
		if left := s.left(); left != "" || len(s.owed()) > 0 {
			t.Errorf("left: %s, %+v", left, s.owed())
		}
		told := strings.Join(said, "\n")
		if api == sandbox.API2020 && !strings.Contains(told, "http://www.example.com/"+usualFile+": 127.0.0.1 shows the file") {
			t.Errorf("the second name is not looked at:\n%s", told)
		}
		for _, want := range []string{"the CA wants to see a file at http://", "wrote the file " + s.root, ": 127.0.0.1 shows the file", "removed the file " + filepath.Join(s.root, usualFile)} {
			if !strings.Contains(told, want) {
				t.Errorf("%q is not said in\n%s", want, told)
			}
		}
	})
}

// fault 118
func TestAFileGoesAfterEachEndOfAnOrder(t *testing.T) {
	for _, tt := range []struct {
		name, fault string
		end         func(s *site)
		left        string
	}{
		{"the CA refused", "check-fail", func(s *site) { s.renew(Renewal{}) }, ""},
		{"the operator gave it up", "checking-forever", func(s *site) {
			s.waits()
			if outcome, err := s.agent().Abandon(s.Context(), "example.com", tester); err != nil || outcome.Class != state.Served {
				s.Fatalf("%+v, %v", outcome, err)
			}
		}, ""},
		{"the CA asked for another one", "value-changes", func(s *site) { s.renewed(Renewal{}) }, ""},
		{"somebody changed it", "checking-forever", func(s *site) {
			s.waits()
			if err := os.WriteFile(filepath.Join(s.root, usualFile), []byte("theirs"), 0o644); err != nil {
				s.Fatal(err)
			}
			s.agent().Abandon(s.Context(), "example.com", tester)
		}, ".well-known .well-known/pki-validation " + usualFile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fault, err := sandbox.ParseFault(tt.fault)
			if err != nil {
				t.Fatal(err)
			}
			s := newSite(t, sandbox.API2018, sandbox.Options{Faults: []sandbox.Fault{fault}})
			tt.end(s)
			if left := s.left(); left != tt.left || len(s.owed()) > 0 {
				t.Errorf("left: %s, %+v", left, s.owed())
			}
		})
	}
}

// fault 116
func TestAFileThatNobodyShouldWriteStopsTheOrder(t *testing.T) {
	for _, tt := range []struct{ fault, says string }{
		{"file-upward", "refuse to write the file"}, {"file-outside", "refuse to write the file"},
		{"file-elsewhere", "its host is none of the certificate's domains"}, {"file-markup", "a file with markup"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			ofEachShop(t, func(t *testing.T, api string) {
				fault, err := sandbox.ParseFault(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				s := newSite(t, api, sandbox.Options{Faults: []sandbox.Fault{fault}})
				if tt.fault == "file-elsewhere" && api == "" { // where the host is told apart
					tt.says = "refuse to write the file"
				}
				o := s.renew(Renewal{})
				if o.Class != state.Failure || !strings.Contains(o.Err.Error(), tt.says) || s.left() != "" || len(s.owed()) > 0 {
					t.Errorf("%+v; left: %s, %+v", o, s.left(), s.owed())
				}
			})
		})
	}
}

func TestAFileIsFoundHoweverTheInstanceNamesIt(t *testing.T) {
	for _, kind := range []string{"file-url", "file-name"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			fault, err := sandbox.ParseFault(kind)
			if err != nil {
				t.Fatal(err)
			}
			newSite(t, sandbox.API2020, sandbox.Options{Faults: []sandbox.Fault{fault}}).renewed(Renewal{})
		})
	}
}

// fault 116
func TestAWebrootThatCannotBeWrittenCostsNoInstance(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(s *site) error
		says    string
	}{
		{"it is missing", func(s *site) error { return os.RemoveAll(s.root) }, "no such file or directory"},
		{"a symlink leads out of it", func(s *site) error { return os.Symlink(s.dir, s.root+"/.well-known") }, "no symlink below the webroot is followed"},
		{"the name has no address", func(s *site) error {
			for _, r := range s.sandbox.Records("example.com") {
				if r.Type == "A" {
					s.sandbox.DeleteRecord(r.RecordID)
				}
			}
			return nil
		}, "has no address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, sandbox.API2018, sandbox.Options{})
			if err := tt.prepare(s); err != nil {
				t.Fatal(err)
			}
			o := s.renew(Renewal{})
			if o.Class != state.Failure || !strings.Contains(o.Err.Error(), tt.says) || s.sandbox.Submitted() > 0 {
				t.Errorf("%+v; submitted: %d", o, s.sandbox.Submitted())
			}
		})
	}
}

// fault 116
func TestAFileOfOthersIsToldAndLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	name := filepath.Join(s.root, usualFile)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if o := s.renew(Renewal{}); !strings.Contains(fmt.Sprint(o.Err), name+" is there already") {
		t.Errorf("%+v", o)
	}
	if text, err := os.ReadFile(name); string(text) != "theirs" || len(s.owed()) > 0 {
		t.Errorf("%q, %v, %+v", text, err, s.owed())
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	s.renewed(Renewal{})
	if left := s.left(); left != ".well-known .well-known/pki-validation" { // which were there
		t.Errorf("left: %s", left)
	}
}

// fault 117: the CA is asked all the time, and its word counts.
func TestAFileThatThisHostDoesNotSeeHindersNoOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	s.network = &port80{err: context.DeadlineExceeded}
	s.renewed(Renewal{})
}

// fault 117
func TestWhatTheServerShowsIsSaidWhileTheOrderWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	s.blue.Store(true)
	if said := s.waits(); !strings.Contains(said, `127.0.0.1 shows another content ("<html>")`) {
		t.Errorf("it waits for %s", said)
	}
	s.blue.Store(false)
	s.renewed(Renewal{})
}

func TestAWebrootThatIsCorrectedIsUsedByTheOpenOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	wrong := t.TempDir()
	right := s.extra
	s.extra = fmt.Sprintf("validation = \"file\"\nwebroot = %q\n", wrong)
	s.waits()
	s.extra = right
	s.renewed(Renewal{})
	if names, err := os.ReadDir(wrong); err != nil || len(names) > 0 || s.left() != "" || len(s.owed()) > 0 {
		t.Errorf("left: %v, %s, %+v", names, s.left(), s.owed())
	}
}

// fault 118: what was put is removed as what it is, whatever is configured now.
func TestAnOrderByFileEndsAfterTheConfigurationWentBackToDNS(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	s.blue.Store(true)
	s.waits()
	s.extra = ""
	s.blue.Store(false)
	s.renewed(Renewal{})
	if s.left() != "" || len(s.owed()) > 0 || s.sandbox.Submitted() != 1 {
		t.Errorf("left: %s, %+v", s.left(), s.owed())
	}
}

// fault 139
func TestAnOrderByFileOfAnotherHostIsAdopted(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2018, sandbox.Options{})
	s.blue.Store(true)
	s.waits()
	other := *s.world
	other.dir = t.TempDir()
	other.onProgress(func(p state.Progress) {
		if p.Step == string(order.Propagate) { // it has adopted the order, which is not issued meanwhile
			s.blue.Store(false)
		}
	})
	other.renewed(Renewal{})
	if s.sandbox.Submitted() != 1 {
		t.Errorf("%d orders", s.sandbox.Submitted())
	}
}
