package simulate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/sandbox"
)

// seed 144: an order was placed on an instance of which the list showed half the name, and
// was asked about each five minutes from then on.
func TestAnInstanceWhoseNameIsHiddenIsNotTaken(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		w.fault("sample-shapes", 12*time.Hour)
		w.hosts[0].start()
		w.live(2 * day)
		if told := strings.Join(w.story, "\n"); strings.Contains(told, "claimed instance ca*") || w.hosts[0].leaf() == nil {
			t.Error(told)
		}
	})
}

func TestAPersonIsAskedOfAnInstanceThatTheListDoesNotShowAnyMore(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		faults := []sandbox.Fault{{Kind: "drop-request", Action: "CreateDVOrderAudit"}}
		if err := w.cloud.SetFaults(faults...); err != nil {
			t.Fatal(err)
		}
		w.hosts[0].start()
		w.after(time.Hour, func() {
			if err := w.cloud.SetFaults(append(faults, sandbox.Fault{Kind: "sample-shapes"})...); err != nil {
				t.Error(err)
			}
		})
		w.live(3 * day)
		if told := strings.Join(w.story, "\n"); !strings.Contains(told, "TELLS failed: www1: submit: after 48h") || !strings.Contains(told, "dvagent abandon www1") {
			t.Error(told[max(0, len(told)-4000):])
		}
	})
}
