package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/sandbox"
)

func TestAPassThatMovesIsNoStandstillHoweverLongItTakes(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	a := w.agent()
	synctest.Test(t, func(t *testing.T) {
		s := NewService(a, nil, time.Second, "test")
		defer s.glances.drop()
		still := func() bool { return w.glance(s).StandsStill(time.Now()) > 0 }
		for range 3 { // a long pass
			time.Sleep(standstill - time.Second)
			s.agent.moved()
			if still() {
				t.Error("what moves stands still")
			}
		}
		time.Sleep(standstill + time.Second)
		if !still() {
			t.Error("a standstill is not seen")
		}
	})
}
