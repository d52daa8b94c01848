package order

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// older is an order whose journal an older dvagent wrote.
func older(t *testing.T) *Order {
	t.Helper()
	text, err := os.ReadFile("testdata/older.journal")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, OpenFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// fault 128: an older dvagent told a cause by the beginning of a text.
func TestAnOlderJournalIsRead(t *testing.T) {
	o := older(t)
	if o.Damage().Lines != 0 || o.Instance != "cas-1" || o.Account != "main" || o.API != API2018 || o.Status != "checking" {
		t.Errorf("%+v", o)
	}
	if !slices.Equal(o.Challenges, []Challenge{challenge}) || o.Step() != Issue {
		t.Errorf("challenges %+v, step %q", o.Challenges, o.Step())
	}
	want := Placed{Record: withID, Asked: true, Seen: at(10)}
	if proof := o.Proof(challenge); proof == nil || *proof != want {
		t.Errorf("proof %+v", proof)
	}
	if f := o.Failure; f.Cause != "" || !f.Transient || !f.At.Equal(at(11)) || o.FailuresSince(time.Time{}) != 1 {
		t.Errorf("%+v", f)
	}
	open, _, err := History(o.dir)
	if err != nil || open[1].Cause != CauseNoInstance || !slices.Equal(open[6].Challenges(), o.Challenges) {
		t.Errorf("%+v, %v", open, err)
	}
}

func TestWhatIsWrittenSaysTheSameToAnOlderOne(t *testing.T) {
	o := older(t)
	alias := Challenge{Kind: CNAME, Name: "_x.example.com", Value: "ca.example.net"}
	goOn(t, o, challenged(challenge, alias))
	text, err := os.ReadFile(filepath.Join(o.dir, OpenFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	const want = `"challenge":{"type":"DNS","name":"_dnsauth.example.com","value":"one"},"further":[{"type":"CNAME",`
	if last := lines[len(lines)-1]; !strings.Contains(last, want) {
		t.Errorf("wrote %s", last)
	}
	for _, o := range []*Order{o, reload(t, o)} {
		if !slices.Equal(o.Challenges, []Challenge{challenge, alias}) || !slices.Equal(o.Unproved(), []Challenge{alias}) {
			t.Errorf("%+v", o.Challenges)
		}
	}
}
