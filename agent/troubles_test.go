package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/notice"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/sandbox"
	"dvagent/notify"
)

const notifyCanary = "canary-9b3e"

// receiver is a webhook that keeps what it is told as "EVENT SUBJECT".
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	told   []string
	texts  []string
	refuse bool
}

func newReceiver(w *world, more string) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		var message struct {
			Event   string
			Notices []notify.Notice
		}
		if json.NewDecoder(request.Body).Decode(&message) != nil || r.refuse {
			http.Error(rw, "no", http.StatusServiceUnavailable)
			return
		}
		for _, n := range message.Notices {
			r.told = append(r.told, message.Event+" "+n.Subject)
			r.texts = append(r.texts, n.Text)
		}
	}))
	w.Cleanup(r.Close)
	w.extra += fmt.Sprintf("[[notify]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"%s/%s\"\n%s\n", r.URL, notifyCanary, more)
	return r
}

// was fails the test unless just these were told since the last call.
func (r *receiver) was(w *world, want ...string) {
	w.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.told, want) {
		w.Errorf("told %q, not %q", r.told, want)
	}
	r.told = nil
}

func TestAFailureIsToldOnceAndItsEndOnce(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	r := newReceiver(w, "")
	w.faults("forbidden:DescribeDomains")
	for range 3 { // each one is a restart
		if o := w.renew(Renewal{}); o.Class != state.Failure {
			t.Fatalf("%+v", o)
		}
	}
	r.was(w, "failed example.com")
	if text := r.texts[0]; !strings.Contains(text, "allocate: ") || !strings.Contains(text, "; to do: grant ") {
		t.Errorf("the text is %q", text)
	}
	w.faults("forbidden:DescribeOrderInstanceList")
	w.renew(Renewal{})
	r.was(w, "failed example.com") // another cause is news
	w.faults()
	w.renewed(Renewal{})
	w.renew(Renewal{})
	r.was(w, "recovered example.com")
}

func TestWhatPassesByItselfIsNotTold(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	r := newReceiver(w, "")
	w.faults("throttle:DescribeOrderInstanceList")
	if o := w.renew(Renewal{NoWait: true}); o.Err == nil {
		t.Fatalf("%+v", o)
	}
	r.was(w)
	w.faults()
	w.renewed(Renewal{})
	r.was(w)
}

func TestAChannelHearsItsEventsAlone(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	r := newReceiver(w, `on = ["failed"]`)
	w.faults("forbidden:DescribeDomains")
	w.renew(Renewal{})
	w.faults()
	w.renewed(Renewal{})
	r.was(w, "failed example.com")
	w.faults("forbidden:DescribeDomains")
	w.renew(Renewal{Force: true})
	r.was(w, "failed example.com") // told again, for it had ended
}

func TestWithoutASpareInstanceThatIsTold(t *testing.T) {
	w := newWorld(t, sandbox.Options{Instances: -1})
	r := newReceiver(w, "")
	for range 2 {
		if o := w.renew(Renewal{NoWait: true}); o.Class != state.NoInstance {
			t.Fatalf("%+v", o)
		}
	}
	r.was(w, "no_instance example.com")
	// A service that starts meanwhile leaves the order alone, and says the same.
	a := w.agent()
	w.look(a)
	notice.Notify(t.Context(), a.host)
	r.was(w)
	if s := w.status().Certificates[0].State; s != view.NoInstance {
		t.Errorf("it is %q", s)
	}
	w.sandbox.AddInstance("DV", "BUY", "PAYED", "")
	w.renewed(Renewal{})
	r.was(w, "recovered example.com")
}

func TestTheForecastComparesSpareInstancesWithComingRenewals(t *testing.T) {
	w := newWorld(t, sandbox.Options{Instances: 1})
	r := newReceiver(w, "[limits]\nforecast = \"365d\"")
	w.renewed(Renewal{})
	r.was(w, "no_instance account main")
	w.calls()
	w.renew(Renewal{}) // a list that nobody wants is not read again
	r.was(w)
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	w.sandbox.AddInstance("DV", "BUY", "PAYED", "")
	w.sandbox.AddInstance("DV", "BUY", "PAYED", "")
	w.renewed(Renewal{Force: true})
	r.was(w, "recovered account main")
}

func TestAChannelThatFailsHoldsNothingUpAndIsShown(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	r := newReceiver(w, "")
	r.refuse = true
	w.faults("forbidden:DescribeDomains")
	w.renew(Renewal{})
	w.faults()
	w.renewed(Renewal{})
	if failed := w.status().Notify; len(failed) != 1 || !strings.Contains(failed[0].Error, "503") || failed[0].RetryAt.IsZero() {
		t.Errorf("%+v", failed)
	}
	w.notTold(notifyCanary)
	// What is over before anybody heard of it is not told at all.
	r.refuse = false
	w.channelIsDue()
	w.renew(Renewal{})
	r.was(w)
	w.faults("forbidden:DescribeDomains")
	w.renew(Renewal{Force: true})
	r.was(w, "failed example.com")
	if failed := w.status().Notify; len(failed) > 0 {
		t.Errorf("%+v", failed)
	}
}

// channelIsDue lets the time run out for which the channel is left alone.
func (w *world) channelIsDue() {
	w.Helper()
	w.channelIsDueIn(-time.Second)
}

func (w *world) channelIsDueIn(d time.Duration) {
	w.Helper()
	err := notice.Update(w.where().Notices(), func(b *notice.Book) {
		for _, c := range b.Channels {
			c.Until = time.Now().Add(d)
		}
	})
	if err != nil {
		w.Fatal(err)
	}
}

// notTold looks for a secret in the state directory.
func (w *world) notTold(secret string) {
	w.Helper()
	err := filepath.WalkDir(string(w.where()), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) {
			w.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

func TestWhatADyingProcessWasTellingIsToldByTheNext(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	r := newReceiver(w, "")
	r.refuse = true
	w.faults("forbidden:DescribeDomains")
	w.renew(Renewal{})
	r.refuse = false
	a := w.agent()
	w.channelIsDueIn(time.Minute) // another process tries, and then it dies
	if next := notice.Notify(t.Context(), a.host); next.IsZero() {
		t.Error("it is not tried again")
	}
	r.was(w) // the other process may be alive
	w.channelIsDue()
	notice.Notify(t.Context(), a.host)
	r.was(w, "failed example.com")
}

func TestAChannelThatHangsHoldsUpNoPassAndNoEnd(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	asked := make(chan struct{}, 1)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer server.Close()
	defer close(release)
	w.extra = "[[notify]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"" + server.URL + "\"\n"
	w.faults("forbidden:DescribeDomains")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	a := w.agent()
	go func() { ended <- NewService(a, nil, tester).Run(ctx) }()
	select {
	case <-asked:
	case <-time.After(15 * time.Second):
		t.Fatal("nobody was told")
	}
	if err := a.underLock(t.Context(), tester, state.Scope{}, func(context.Context, *pass) error { return nil }); err != nil {
		t.Errorf("the lock is held meanwhile: %v", err)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("the service does not end")
	}
	book, err := notice.Load(w.where().Notices())
	if err != nil || book.Channels["ops"].Error != "" || len(book.Channels["ops"].Told) > 0 {
		t.Errorf("that it was cut off is no failure, and the next start tells: %+v, %v", book.Channels["ops"], err)
	}
}
