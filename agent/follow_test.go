package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// shared is an account in which another host lets CAS make its keys.
func shared(t *testing.T, api string, faults ...string) (other, w *world) {
	t.Helper()
	other = newWorld(t, sandbox.Options{})
	other.faults(faults...)
	other.api, other.extra = api, "private_key = \"cas\"\n"
	w = &world{T: t, sandbox: other.sandbox, dir: t.TempDir(), api: api, extra: "follow = true\n"}
	return other, w
}

// both runs a test with each of the APIs.
func both(t *testing.T, test func(t *testing.T, api string)) {
	for _, api := range []string{"2020-04-07", "2018-07-13"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			test(t, api)
		})
	}
}

// ordersNothing fails the test where a call of the follower changes something.
func (w *world) ordersNothing() {
	w.Helper()
	for _, request := range w.sandbox.History() {
		for _, read := range []string{"List", "Get", "Describe"} {
			if strings.HasPrefix(request.Action, read) {
				request.Action = ""
			}
		}
		if request.Action != "" {
			w.Errorf("it called %s", request.Action)
		}
	}
}

func TestAFollowerInstallsWhatAnotherHostOrdered(t *testing.T) {
	both(t, func(t *testing.T, api string) {
		other, w := shared(t, api)
		o := w.renew(Renewal{})
		if o.Class != state.Pending || o.Retry || o.Waiting != "no certificate for these names with a key is in the account yet" {
			t.Errorf("before there is one: %+v", o)
		}
		w.ordersNothing()
		other.renewed(Renewal{})
		w.calls()
		w.renewed(Renewal{})
		if w.current() != other.current() {
			t.Errorf("version %s, not %s", w.current(), other.current())
		}
		w.ordersNothing()
		w.calls()
		if o := w.renew(Renewal{}); o.Class != state.Served || len(w.calls()) > 0 {
			t.Errorf("with nothing due: %+v", o)
		}
	})
}

// It looks while what is installed is in its window, one list a look, and reads
// no more than what ends later.
func TestAFollowerTakesTheRenewalWhenItIsThere(t *testing.T) {
	both(t, func(t *testing.T, api string) {
		other, w := shared(t, api)
		other.faults("ends-early")
		other.renewed(Renewal{})
		other.faults()
		w.serves(-65*24*time.Hour, 25*24*time.Hour)
		w.calls()
		o := w.renew(Renewal{})
		if calls := w.calls(); o.Class != state.Served || !strings.Contains(o.Waiting, "no newer certificate") || calls["GetUserCertificateDetail"]+calls["DescribeUserCertificateDetail"] > 0 {
			t.Errorf("%+v, called %v", o, calls)
		}
		if interval := time.Until(o.Next); interval <= 0 || interval > time.Hour {
			t.Errorf("it looks again at %s", o.Next)
		}
		other.renewed(Renewal{Force: true})
		w.calls()
		w.renewed(Renewal{})
		calls := w.calls()
		if w.current() != other.current() || calls["ListCertificates"]+calls["DescribeUserCertificateList"] != 1 || calls["GetUserCertificateDetail"]+calls["DescribeUserCertificateDetail"] != 1 {
			t.Errorf("version %s, not %s; called %v", w.current(), other.current(), calls)
		}
	})
}

// upload puts the world's current pair into the account.
func (w *world) upload(name string) {
	w.Helper()
	client, err := w.agent().accounts.Client("main")
	if err != nil {
		w.Fatal(err)
	}
	b, err := bundle.Load(bundle.Open(w.where().Certificate("example.com")).Path(w.current()))
	if err == nil {
		_, err = client.UploadUserCertificate(w.Context(), name, string(b.FullchainPEM()), string(b.KeyPEM()))
	}
	if err != nil {
		w.Fatal(err)
	}
}

func TestAFollowerTakesWhatCanBeServedAndEndsLast(t *testing.T) {
	for _, tt := range []struct {
		name   string
		others func(*world) // makes what the account holds; what ends last is current
		says   string       // where nothing of it can be used
		reads  int          // so many details
	}{
		{"an uploaded pair", func(other *world) {
			other.serves(-time.Hour, 90*24*time.Hour)
			other.upload("one")
		}, "", 1},
		{"the one that ends last, wherever it is listed", func(other *world) {
			for i, days := range []time.Duration{60, 90, 30} {
				other.serves(-time.Hour, days*24*time.Hour)
				other.upload(fmt.Sprint("n", i))
			}
			other.serves(-time.Hour, 100*24*time.Hour)
			other.upload("last")
		}, "", 1},
		{"one that is due itself, before there is a better one", func(other *world) {
			other.serves(-80*24*time.Hour, 10*24*time.Hour)
			other.upload("old")
		}, "", 1},
		{"none whose key CAS does not have", func(other *world) {
			other.extra = ""
			other.renewed(Renewal{})
		}, "no certificate for these names", 0},
		{"none that lacks a name", func(other *world) {
			other.domains = `["example.com", "www.example.com"]`
			other.renewed(Renewal{})
		}, "no certificate for these names", 0},
		{"none whose key does not come", func(other *world) {
			other.renewed(Renewal{})
			other.faults("issued-without-key:GetUserCertificateDetail")
		}, "no certificate for these names", 1},
		{"none that cannot be read", func(other *world) {
			other.renewed(Renewal{})
			other.faults("issued-without-certificate:GetUserCertificateDetail")
		}, "no certificate for these names", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			other, w := shared(t, "2020-04-07")
			tt.others(other)
			w.calls()
			o := w.renew(Renewal{})
			if calls := w.calls(); calls["ListCertificates"] != 1 || calls["GetUserCertificateDetail"] != tt.reads {
				t.Errorf("called %v", calls)
			}
			if tt.says != "" {
				if o.Class != state.Pending || !strings.Contains(o.Waiting, tt.says) {
					t.Errorf("%+v", o)
				}
				return
			}
			if o.Class != state.Served || w.current() != other.current() {
				t.Errorf("%+v; version %s, not %s", o, w.current(), other.current())
			}
			if !o.Next.After(time.Now()) {
				t.Errorf("it looks again at %s", o.Next)
			}
		})
	}
}

func TestAFollowerInAnEmergencyAsksAPersonOnce(t *testing.T) {
	t.Parallel()
	_, w := shared(t, "2020-04-07")
	log := filepath.Join(w.dir, "log")
	w.extra += fmt.Sprintf("\n[[hook]]\non = [\"failed\"]\ncommand = [\"sh\", \"-c\", \"echo $DVAGENT_ERROR >> %s\"]\n", log)
	w.serves(-80*24*time.Hour, 2*24*time.Hour)
	for range 2 {
		o := w.renew(Renewal{})
		if o.Class != state.Failure || o.Retry || !strings.Contains(o.Err.Error(), "no newer certificate") || o.Hint() == "" {
			t.Errorf("%+v", o)
		}
	}
	if said, err := os.ReadFile(log); err != nil || strings.Count(string(said), "no newer") != 1 {
		t.Errorf("the hook wrote %q, %v", said, err)
	}
	c := w.status().Certificates[0]
	if !c.Follows || c.State != view.Emergency || c.FollowError == "" || !strings.Contains(c.Next, "where it is ordered") {
		t.Errorf("%+v", c)
	}
	a := w.agent()
	w.calls()
	w.look(a) // it is too soon for another look
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
}

func TestWhatHindersAFollowerIsToldAndTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name, fault string
		says        string // "": it passes within the run
	}{
		{"the list cannot be had for a while", "error-503:ListCertificates:1", ""},
		{"the pair cannot be had for a while", "error-500:GetUserCertificateDetail:1", ""},
		{"the permission to list is missing", "forbidden:ListCertificates", "yundun-cert:ListCertificates"},
		{"the permission to read is missing", "forbidden:GetUserCertificateDetail", "yundun-cert:GetUserCertificateDetail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			other, w := shared(t, "2020-04-07")
			other.renewed(Renewal{})
			w.faults(tt.fault)
			o := w.renew(Renewal{})
			if tt.says == "" {
				if o.Class != state.Served {
					t.Errorf("%+v", o)
				}
				return
			}
			if o.Class != state.Failure || !o.News || !strings.Contains(o.Hint(), tt.says) {
				t.Errorf("%+v, hint %q", o, o.Hint())
			}
			if o := w.renew(Renewal{}); o.News {
				t.Error("it is news again")
			}
			w.faults()
			w.renewed(Renewal{})
			if c := w.status().Certificates[0]; c.FollowError != "" || c.State != view.OK {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestAForcedFollowerLooksAtOnceAndOrdersNothing(t *testing.T) {
	t.Parallel()
	other, w := shared(t, "2020-04-07")
	other.renewed(Renewal{})
	w.renewed(Renewal{})
	first := w.current()
	w.calls()
	said := w.saidBy(func() {
		if o := w.renew(Renewal{Force: true}); o.Class != state.Served || o.Ordered {
			t.Errorf("%+v", o)
		}
	})
	if w.current() != first || !strings.Contains(said, "orders nothing") || w.calls()["ListCertificates"] != 1 {
		t.Errorf("version %s after %s; said %s", w.current(), first, said)
	}
	other.renewed(Renewal{Force: true})
	w.calls()
	w.renewed(Renewal{Force: true})
	if w.current() != other.current() {
		t.Errorf("version %s, not %s", w.current(), other.current())
	}
	w.ordersNothing()
}

func TestAnOrderThatIsOpenWhenItsCertificateFollowsGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   string
		last    string // the last call before that
		applied int
	}{
		{"once it has an instance", "checking-forever", "AddDomainRecord", 1},
		{"not before", "forbidden:ListInstances", "ListInstances", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, tt.fault)}})
			w.renewUntil(tt.last, func() bool { return w.called(tt.last) })
			w.extra = "follow = true\n"
			w.issue()
			o := w.renew(Renewal{Timeout: time.Minute})
			if served := o.Class == state.Served; served != (tt.applied > 0) || w.sandbox.Applied() != tt.applied {
				t.Errorf("%+v; %d applications", o, w.sandbox.Applied())
			}
		})
	}
}

func TestWhatFollowsWantsNoInstance(t *testing.T) {
	t.Parallel()
	_, w := shared(t, "2020-04-07")
	for _, finding := range w.check().Online(t.Context()) {
		if finding.Subject == "example.com" || strings.Contains(finding.OK, "spare") && !strings.Contains(finding.OK, "for 0 renewals") {
			t.Errorf("%+v", finding)
		}
	}
	plan := view.ReadPlan(t.Context(), w.agent().host, time.Now()).Certificates[0]
	if plan.Action != "follow" || !plan.Follows || len(plan.Warnings) > 0 || !strings.HasPrefix(plan.Next, "follows") {
		t.Errorf("%+v", plan)
	}
	s := w.service()
	if coming := w.glance(s).Coming["main"].Coming(); coming != 0 {
		t.Errorf("%d renewals want an instance", coming)
	}
}

// The first order of a host looks at what the account holds with a key.
func TestACertificateOfTheAccountIsInstalledBeforeAnyIsAppliedFor(t *testing.T) {
	t.Parallel()
	other, w := shared(t, "2020-04-07")
	other.renewed(Renewal{})
	w.extra = ""
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != other.current() || w.sandbox.Applied() != 1 {
		t.Errorf("%+v; version %s, not %s; %d applications", o, w.current(), other.current(), w.sandbox.Applied())
	}
	w.renewed(Renewal{Force: true})
	if w.sandbox.Applied() != 2 {
		t.Errorf("%d applications", w.sandbox.Applied())
	}
}
