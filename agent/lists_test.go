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

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// What another host does while a slow account keeps a pass open is seen all the
// same: the lists of the account belong together.
func TestAnOrderThatAnotherHostFinishesMeanwhileIsNotOrderedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renew(Renewal{NoWait: true}) // the other host
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	w.faults("empty-checkname::1")
	w.inSlowAccount()
	w.onProgress(func(p state.Progress) {
		if p.Waiting && strings.Contains(p.Text, "which may be for these names") {
			_ = w.sandbox.ForceOrder(w.sandbox.Orders()[0].InstanceID, "issued") // it may be already
		}
	})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	a := w.agent()
	go func() {
		_, err := a.Renew(ctx, Renewal{Timeout: time.Minute, Caller: tester})
		ended <- err
	}()
	w.within(20*time.Second, "a version of the account's certificate", func() bool {
		_, err := os.Stat(filepath.Join(w.where().Certificate("example.com"), "current", "cert.pem"))
		return err == nil
	})
	stop()
	if err := <-ended; err != nil || w.sandbox.Submitted() != 1 {
		t.Errorf("%d submitted, %v", w.sandbox.Submitted(), err)
	}
}

// A list that still calls an instance free, which was used up since, leads
// nobody to the certificate of another.
func TestAnInstanceThatWasUsedInThePassIsNotClaimedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Instances: 3, Zones: []string{"example.com", "example.org"}})
	for i := range 3 { // one more than there are instances; one order at a time
		w.extra += fmt.Sprintf("\n[[certificate]]\nname = \"c%d\"\ndomains = [\"c%d.example.org\"]\n", i, i)
	}
	w.extra += "\n[limits]\nparallel_orders = 1\n"
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester})
	if err != nil || len(outcomes) != 4 {
		t.Fatal(outcomes, err)
	}
	served := 0
	for _, o := range outcomes {
		if o.Class == state.Served {
			served++
		} else if o.Class != state.NoInstance {
			t.Errorf("%+v", o)
		}
	}
	if served != 3 || w.sandbox.Submitted() != 3 || w.calls()["CreateDVOrderAudit"] != 3 {
		t.Errorf("%d served, %d submitted", served, w.sandbox.Submitted())
	}
}

func TestAnOrderWhoseRecordCannotBeNotedIsNotAbandoned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	w.renewUntil("the record", w.recorded)
	if err := errors.Join(os.Remove(w.where().Records()), os.Mkdir(w.where().Records(), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.agent().Abandon(t.Context(), "example.com", tester); err == nil {
		t.Error("it is abandoned")
	}
	if o, err := order.Load(w.where().Certificate("example.com")); err != nil || o == nil || len(o.Owed()) != 1 {
		t.Errorf("nothing knows the record any more: %+v, %v", o, err)
	}
}

func TestAHookThatFailsKeepsNoOtherEventFromItsHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	log := filepath.Join(w.dir, "log")
	w.extra = w.target() + "\n[[hook]]\non = [\"issued\"]\ncommand = [\"false\"]\n" +
		fmt.Sprintf("\n[[hook]]\non = [\"deployed\"]\ncommand = [\"sh\", \"-c\", \"echo deployed >> %s\"]\n", log)
	if o := w.renew(Renewal{NoWait: true, Timeout: time.Minute}); o.Class == state.Failure {
		t.Fatalf("%+v", o)
	}
	if o := w.renew(Renewal{}); o.Class != state.NotServed {
		t.Errorf("%+v", o)
	}
	if said, err := os.ReadFile(log); err != nil || string(said) != "deployed\n" {
		t.Errorf("the other hook wrote %q, %v", said, err)
	}
}

// fault 126: the process ends between a failure and its hooks.
func TestAFailureThatWasNotToldIsToldByTheNextProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	log := filepath.Join(w.dir, "log")
	w.extra = fmt.Sprintf("\n[[hook]]\non = [\"failed\"]\ncommand = [\"sh\", \"-c\", \"echo $DVAGENT_ERROR >> %s\"]\n", log)
	w.faults("forbidden:DescribeOrderInstanceList")
	ctx, stop := context.WithCancel(t.Context())
	w.onProgress(func(p state.Progress) {
		if p.Err != nil {
			stop() // once the failure is recorded
		}
	})
	if _, err := w.agent().Renew(ctx, Renewal{Timeout: time.Minute, Caller: tester}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(log); err == nil {
		t.Fatal("the hook ran already")
	}
	w.observe = nil
	for range 2 {
		w.look(w.agent())
	}
	if said, err := os.ReadFile(log); err != nil || strings.Count(string(said), "Forbidden.RAM") != 1 {
		t.Errorf("the hook wrote %q, %v", said, err)
	}
}
