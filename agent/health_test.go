package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

func TestAPassThatFailsAsAWholeIsSeenUntilOneEndsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	s := w.service()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	replaced := make(chan *Agent)
	s.replaced = replaced
	go func() { ended <- s.Run(ctx) }()
	unhealthy := func() bool { return w.glance(s).Healthy(time.Now()) != nil }
	replaced <- w.agent() // taken when the first pass is over
	ledger := filepath.Join(string(w.where()), "instances.journal")
	if err := os.Rename(ledger, ledger+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(ledger, 0o700); err != nil {
		t.Fatal(err)
	}
	replaced <- w.agent()
	w.within(10*time.Second, "it is unhealthy", unhealthy)
	if status := w.status(); len(status.Certificates) != 1 { // it is shown all the same
		t.Errorf("%+v", status)
	}
	if said := w.glance(s).Healthy(time.Now()).Error(); !strings.Contains(said, "the last pass failed: ") || !strings.Contains(said, "instances.journal") {
		t.Errorf("it says %s", said)
	}
	if err := os.Remove(ledger); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(ledger+".away", ledger); err != nil {
		t.Fatal(err)
	}
	replaced <- w.agent()
	w.within(10*time.Second, "it is healthy again", func() bool { return !unhealthy() })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
