package simulate

import (
	"fmt"
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
