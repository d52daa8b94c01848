package simulate

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/clock"
)

// trustedSkew is how far a clock may be off before the cloud takes no request.
const trustedSkew = 15 * time.Minute

// clocksSet has the clocks of all hosts be wrong for a while: by minutes, which
// the cloud does not mind, or by up to two months.
func (w *world) clocksSet(*host) {
	by := w.between(time.Hour, 60*day)
	if w.dice.IntN(2) == 0 {
		by = w.between(time.Second, trustedSkew-time.Minute)
	}
	where := "ahead"
	if w.dice.IntN(2) == 0 {
		by, where = -by, "behind"
	}
	length := w.between(time.Minute, 2*day)
	if w.setBy != 0 {
		return
	}
	if by.Abs() > trustedSkew {
		w.fault("clock-off", length)
	}
	w.setBy = by
	clock.Set(by)
	w.begin(nil, length, fmt.Sprintf("clocks %s by %s", where, by.Abs().Round(time.Second)), func() {
		w.setBy = 0
		clock.Set(0)
	})
}

// An order waits for its CA, and its host's clock is months ahead meanwhile: that lets no
// deadline pass.
func TestAClockThatIsSetAheadLetsNoDeadlinePass(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		w.toNames.cut.Store(true)
		w.hosts[0].start()
		w.after(2*time.Hour, func() {
			w.fault("clock-off", 12*time.Hour)
			clock.Set(60 * day)
			w.after(12*time.Hour, func() { clock.Set(0) })
		})
		w.after(day, func() { w.toNames.cut.Store(false) })
		w.live(2 * day)
		told := strings.Join(w.story, "\n")
		if !strings.Contains(told, "InvalidTimeStamp") || strings.Contains(told, "is still") || w.hosts[0].leaf() == nil {
			t.Error(told[max(0, len(told)-4000):])
		}
	})
}
