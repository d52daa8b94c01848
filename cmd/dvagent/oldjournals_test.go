package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// legacies are what snapshots come to: what that build called, how it ended and
// whom it told when it went on by itself.
var legacies = []struct {
	name, snapshot string
	age            time.Duration // since the snapshot
	change         func(*heir)   // of what is around it, before the sandbox is seeded; may be nil
	args           []string
	want           aftermath
}{
	{"an order without a spare instance waits, and is not told again", "nothing-spare", 0, nil, argsNoWait,
		aftermath{code: 5, used: 3}},
	{"an instance that was bought meanwhile is used", "nothing-spare", 0, buyOne, argsRenew,
		aftermath{orders: 1, adds: 1, used: 4, told: []string{"recovered"}}},
	{"a claimed instance is submitted", "claimed", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 1}},
	{"a forced order goes on without force", "forced", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 2}},
	{"a submission that was lost is sent again", "submitting-lost", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 1}},
	{"a submission that arrived is not sent again", "submitting-applied", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"a submitted order is looked at", "submitted", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"a challenge is answered", "challenged", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"a record whose add was lost is added", "adding-lost", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"a record whose add arrived is found", "adding-applied", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a record that stands where a CNAME leads is removed in the end", "delegated", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"an added record is removed in the end", "added", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a record of someone else is left", "kept", 0, nil, argsRenew,
		aftermath{used: 1, left: 1}},
	{"a visible record waits for the CA", "visible", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"what an order waits for is no failure", "waiting", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"an order that was seen as issued is collected", "issued", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a collected version is installed, and its record removed", "collected", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a record that is gone needs no removal", "removed-unanswered", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"an order that has ended is set aside", "ended", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a record that could not be removed is removed", "record-owed", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a refused validation is submitted again for the same instance", "check-fail", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 1, told: []string{"recovered"}}},
	{"the record of a refused validation is removed", "check-fail-record-owed", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 1}},
	{"a stopped order is submitted by nobody", "stopped", 0, nil, argsRenew,
		aftermath{code: 1, used: 1}},
	{"a stopped order stays stopped after a day", "stopped", 25 * time.Hour, nil, argsRenew,
		aftermath{code: 1, used: 1}},
	{"force does not exceed the submissions of a day", "stopped", 0, nil, argsForce,
		aftermath{code: 1, used: 1, told: []string{"failed"}}},
	{"force submits a stopped order a day later", "stopped", 25 * time.Hour, nil, argsForce,
		aftermath{orders: 1, adds: 1, used: 1, told: []string{"recovered"}}},
	{"a stopped order is abandoned", "stopped", 0, nil, []string{"abandon", "example.com"},
		aftermath{used: 1}},
	{"an adopted order is submitted by nobody", "adopted", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"the record of an adopted order is found", "adopted-and-adding", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"an adopted order is let go after two hours", "adopted-and-adding", 3 * time.Hour, stall, argsNoWait,
		aftermath{code: 3, used: 1}},
	{"what failed for a passing reason is tried at once", "transient", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"a submission of which nothing is known is asked about", "undecided", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1}},
	{"what was forbidden is tried at once", "forbidden", 0, nil, argsRenew,
		aftermath{adds: 1, used: 1, told: []string{"recovered"}}},
	{"the instance taken for a refused one is submitted", "refused", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 1}},
	{"two refusals leave the third instance", "refused-twice", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 1, told: []string{"recovered"}}},
	{"an abandoned instance is not used again", "abandoned", 0, nil, argsRenew,
		aftermath{orders: 1, adds: 1, used: 2}},
	{"a rollback is held", "rolled-back", 0, nil, argsRenew,
		aftermath{used: 2}},
	{"a reload that was cut off runs again", "reload-cut", 0, nil, argsRenew,
		aftermath{used: 1}},
	{"a failed reload runs again", "reload-failed", 0, nil, argsRenew,
		aftermath{used: 1, told: []string{"recovered"}}},
	{"a journal that was shortened is read", "reload-failed-often", 0, nil, argsRenew,
		aftermath{used: 1, told: []string{"recovered"}}},
	{"a failed deployment is made", "write-failed", 0, nil, argsRenew,
		aftermath{used: 1, told: []string{"recovered"}}},
	{"a failed hook runs again", "hook-failed", 0, nil, argsRenew,
		aftermath{used: 1, told: []string{"recovered"}}},
	{"a hook that still fails is not told again", "hook-failed", 0, unhook, argsRenew,
		aftermath{code: 4, used: 1}},
}

var (
	argsRenew  = []string{"renew", "--timeout", "40s"}
	argsNoWait = []string{"renew", "--no-wait"}
	argsForce  = []string{"renew", "--timeout", "40s", "--force", "example.com"}
)

// buyOne adds a spare instance.
func buyOne(h *heir) { h.sandbox.AddInstance("DV", "BUY", "PAYED", "") }

// stall has the orders of the snapshot stay checking.
func stall(h *heir) {
	fault, err := sandbox.ParseFault("checking-forever")
	if err == nil {
		err = h.sandbox.SetFaults(fault)
	}
	if err != nil {
		h.Fatal(err)
	}
}

// unhook makes the hooks fail.
func unhook(h *heir) {
	if err := os.Remove(h.path("hook.in")); err != nil {
		h.Fatal(err)
	}
}

// An agent that was stopped by the build of testdata/journals is taken over by
// this one.
//
// fault 2
func TestWhatAnOlderBuildHasLeftIsFinished(t *testing.T) {
	t.Parallel()
	for _, tt := range legacies {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHeir(t, tt.snapshot)
			if tt.change != nil {
				tt.change(h)
			}
			h.inherit(tt.age)
			instance := h.understands()
			code, output := h.run(tt.args...)
			if got := h.aftermath(code); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("it came to %+v, not %+v:\n%s", got, tt.want, output)
			}
			h.tidy()
			if code == 0 && tt.args[0] == "renew" {
				h.finished(instance)
			}
		})
	}
}

// run runs the program and returns its exit code and output.
func (h *heir) run(args ...string) (code int, output string) {
	h.Helper()
	p := h.start(append([]string{"dvagent"}, args...)...)
	h.await(p)
	return p.cmd.ProcessState.ExitCode(), p.output.String()
}

// understands checks that status tells of the snapshot what the old build
// told. It returns the instance of the open order, or "".
func (h *heir) understands() string {
	h.Helper()
	told, err := os.ReadFile(filepath.Join(h.source, "status.json"))
	if err != nil {
		h.Fatal(err)
	}
	_, now := h.run("status", "example.com", "--json")
	want, got := promised(h.T, h.present(string(told))), promised(h.T, now)
	if !reflect.DeepEqual(got, want) {
		h.Errorf("status says\n%s\nwhere the old build said\n%s", beyond(want, got), beyond(got, want))
	}
	certificate := got.(map[string]any)["certificates"].([]any)[0].(map[string]any)
	order, _ := certificate["order"].(map[string]any)
	instance, _ := order["instance"].(string)
	return instance
}

// promised is a status without what is said in prose, what depends on the
// pairs that store made, what is in the targets, and when it was asked.
func promised(t *testing.T, status string) any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(status), &value); err != nil {
		t.Fatalf("%v: %s", err, status)
	}
	delete(value, "at")
	delete(value, "unattended") // the old build did not say
	for _, certificate := range value["certificates"].([]any) {
		delete(certificate.(map[string]any), "instance") // as the next one, later than the old build
	}
	return without(value, "api", "next", "text", "lacks", "fingerprint", "issuer", "untrusted", "not_before", "not_after", "renews_at")
}

func without(value any, keys ...string) any {
	switch value := value.(type) {
	case map[string]any:
		maps.DeleteFunc(value, func(key string, _ any) bool { return slices.Contains(keys, key) })
		for _, inner := range value {
			without(inner, keys...)
		}
	case []any:
		for _, inner := range value {
			without(inner, keys...)
		}
	}
	return value
}

// beyond is the lines of a status that the other one lacks.
func beyond(other, status any) string {
	known := strings.Split(indented(other), "\n")
	more := slices.DeleteFunc(strings.Split(indented(status), "\n"), func(line string) bool {
		return slices.Contains(known, line)
	})
	return strings.Join(more, "\n")
}

func indented(value any) string {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	return string(text)
}

// aftermath is what came of a snapshot.
type aftermath struct {
	code         int      // of the program
	orders, adds int      // calls of CreateDVOrderAudit and AddDomainRecord
	used         int      // instances that are not free any more
	left         int      // TXT records, but for those of someone else in the snapshot
	told         []string // events that the channel was told
}

func (h *heir) aftermath(code int) aftermath {
	got := aftermath{code: code, told: h.told.heard()}
	got.left = texts(h.records(), "") - texts(h.Records, foreignValue)
	for _, call := range h.sandbox.History() {
		switch call.Action {
		case "CreateDVOrderAudit":
			got.orders++
		case "AddDomainRecord":
			got.adds++
		}
	}
	for _, i := range h.sandbox.Instances() {
		if i.Status != "PAYED" {
			got.used++
		}
	}
	return got
}

// texts counts the TXT records, or those with a value.
func texts(records []sandbox.Record, value string) int {
	n := 0
	for _, r := range records {
		if r.Type == "TXT" && (value == "" || r.Value == value) {
			n++
		}
	}
	return n
}

// finished checks that the open order's instance is the one that was issued,
// that its pair is served, and that nothing is left to do.
func (h *heir) finished(instance string) {
	h.Helper()
	h.served()
	for _, i := range h.sandbox.Instances() {
		if i.InstanceID == instance && i.Status != "Issued" {
			h.Errorf("instance %s of the open order is %s", instance, i.Status)
		}
	}
	h.sandbox.ClearHistory()
	h.renews()
	if calls := h.sandbox.History(); len(calls) > 0 {
		h.Errorf("another run called %s", calls[0].Action)
	}
}
