package agent

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// Three files tell of an open order, each of them a part of it twice.
const (
	orderJournal    = "certificates/example.com/order.journal"
	instancesLedger = "instances.journal"
	recordsLedger   = "records.journal"
)

// damage is what becomes of some files between two runs.
type damage struct {
	name  string
	files []string
	do    func([]byte) []byte // nil: the file is gone
}

// wholly damages every choice of the files from one end to the other.
func wholly() []damage {
	var all []damage
	for _, files := range [][]string{
		{orderJournal}, {instancesLedger}, {recordsLedger},
		{orderJournal, instancesLedger}, {orderJournal, recordsLedger}, {instancesLedger, recordsLedger},
		{orderJournal, instancesLedger, recordsLedger},
	} {
		short := strings.NewReplacer("certificates/example.com/", "", ".journal", "").Replace(strings.Join(files, " and "))
		for _, d := range []damage{
			{name: "deleted", do: func([]byte) []byte { return nil }},
			{name: "empty", do: func([]byte) []byte { return []byte{} }},
			{name: "zeroed", do: func(text []byte) []byte { return make([]byte, len(text)) }},
			{name: "of a later version", do: func([]byte) []byte { return []byte("dvagent-journal 2\nnobody knows\n") }},
		} {
			all = append(all, damage{short + " " + d.name, files, d.do})
		}
	}
	return all
}

// byByte cuts a file of some size at each byte, and flips a bit of each.
func byByte(file string, size int) []damage {
	var all []damage
	for n := range size {
		all = append(all,
			damage{fmt.Sprintf("%s cut at byte %d", filepath.Base(file), n), []string{file}, func(text []byte) []byte {
				return text[:min(n, len(text))]
			}},
			damage{fmt.Sprintf("%s with a bit flipped in byte %d", filepath.Base(file), n), []string{file}, func(text []byte) []byte {
				text = bytes.Clone(text)
				text[min(n, len(text)-1)] ^= 1 << (n % 8)
				return text
			}})
	}
	return all
}

// suffer does the damage to a state directory.
func (d damage) suffer(w *world) {
	w.Helper()
	for _, file := range d.files {
		path := filepath.Join(w.state(), file)
		text, err := os.ReadFile(path)
		if err != nil {
			w.Fatal(err)
		}
		if text = d.do(text); text == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
}

// traceless says that nothing is left to tell of the record.
func (d damage) traceless() bool {
	return slices.Contains(d.files, orderJournal) && slices.Contains(d.files, recordsLedger)
}

// pending is a world whose order waits for the CA.
func pending(t *testing.T, issueAfter time.Duration) *world {
	t.Helper()
	w := newWorld(t, sandbox.Options{IssueAfter: issueAfter})
	if _, err := w.sandbox.AddRecord("example.com", "_dnsauth", "TXT", "foreign"); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{NoWait: true}); o.Class != Pending {
		t.Fatalf("%+v", o)
	}
	return w
}

const foreignRecord = "_dnsauth=foreign"

// survives does the damage to an order that is pending, or that the CA has
// issued meanwhile, and checks what the next run makes of it.
func (d damage) survives(t *testing.T, issued bool) {
	issueAfter := 400 * time.Millisecond
	if issued {
		issueAfter = time.Millisecond
	}
	w := pending(t, issueAfter)
	for end := time.Now().Add(10 * time.Second); issued && w.sandbox.Orders()[0].Status != "issued"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not issued: %+v", w.sandbox.Orders())
		}
	}
	d.suffer(w)
	o := w.renew(Renewal{})
	if o.Class != Served {
		t.Errorf("%+v", o)
	} else {
		w.current()
	}
	if used := w.instancesUsed(); used != 1 || w.sandbox.Submitted() != 1 {
		t.Errorf("%d instances were used, %d submissions accepted", used, w.sandbox.Submitted())
	}
	left := w.records()
	if left != foreignRecord && !(d.traceless() && strings.HasPrefix(left, foreignRecord+" ")) {
		t.Errorf("records: %s", left)
	}
}

// fault 55
func TestNoDamageToTheJournalsOrdersAnew(t *testing.T) {
	t.Parallel()
	tryAll(t, wholly())
}

// fault 55
func TestADamagedLineOrdersNothingAnew(t *testing.T) {
	t.Parallel()
	w := pending(t, time.Minute)
	var all []damage
	for _, file := range []string{orderJournal, instancesLedger, recordsLedger} {
		info, err := os.Stat(filepath.Join(w.state(), file))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, byByte(file, int(info.Size()))...)
	}
	rand.New(rand.NewPCG(55, 55)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if os.Getenv("DVAGENT_LONG_TESTS") != "1" {
		t.Logf("only 30 of %d cases; DVAGENT_LONG_TESTS=1 tries those of two minutes", len(all))
		all = all[:30]
	}
	tryAll(t, all)
}

// tryAll tries each case, as far as two minutes go; they mostly wait.
func tryAll(t *testing.T, all []damage) {
	var tried atomic.Int64
	var workers sync.WaitGroup
	started := time.Now()
	for range 8 {
		workers.Go(func() {
			for time.Since(started) < 2*time.Minute {
				n := int(tried.Add(1)) - 1
				if n >= len(all) {
					return
				}
				d, issued := all[n], n%2 > 0
				name := d.name
				if issued {
					name += " once it is issued"
				}
				t.Run(name, func(t *testing.T) { d.survives(t, issued) })
			}
		})
	}
	workers.Wait()
	t.Logf("%d of %d cases", min(int(tried.Load()), len(all)), len(all))
}
