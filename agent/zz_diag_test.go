package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

func TestZZDiag(t *testing.T) {
	for _, d := range wholly() {
		for _, issued := range []bool{false, true} {
			name := d.name
			if issued {
				name += " issued"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				after := 400 * time.Millisecond
				if issued {
					after = time.Millisecond
				}
				w := newWorld(t, sandbox.Options{IssueAfter: after})
				w.renewed(Renewal{})
				key := filepath.Join(w.state(), "certificates/example.com/current/privkey.pem")
				if err := os.WriteFile(key, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if o := w.renew(Renewal{NoWait: true}); o.Class != Pending {
					t.Fatalf("%+v", o)
				}
				if issued {
					for w.sandbox.Orders()[1].Status != "issued" {
						time.Sleep(5 * time.Millisecond)
					}
				}
				d.suffer(w)
				w.sandbox.ClearHistory()
				o := w.renew(Renewal{})
				if w.sandbox.Submitted() != 2 || o.Class != Served || w.records() != "" && !d.traceless() {
					t.Errorf("%d %+v %s", w.sandbox.Submitted(), o, w.records())
					for _, r := range w.sandbox.History() {
						t.Log(r.Time.Format("05.000"), r.Action, r.Code)
					}
				}
			})
		}
	}
}
