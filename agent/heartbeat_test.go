package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/sandbox"
)

// wait is how long nothing may move.
const wait = 15 * time.Minute

func TestAPassThatMovesIsNoStandstillHoweverLongItTakes(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	a := w.agent()
	synctest.Test(t, func(t *testing.T) {
		s := NewService(a, nil, tester)
		still := func() bool { return w.glance(s).StandsStill(time.Now()) > 0 }
		for range 3 { // a long pass
			time.Sleep(wait - time.Second)
			s.agent.host.Alive()
			if still() {
				t.Error("what moves stands still")
			}
		}
		time.Sleep(wait + time.Second)
		if !still() {
			t.Error("a wait is not seen")
		}
	})
}
