package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

// snapshot is what was noted of an agent and its sandbox when the agent had
// been stopped: server.json beside the journals.
type snapshot struct {
	At        time.Time          `json:"at"`
	Dir       string             `json:"dir"`      // of the trial
	Versions  []string           `json:"versions"` // oldest first
	Current   string             `json:"current"`  // one of them, or empty
	Targets   map[string]string  `json:"targets"`  // which version a file of the trial was of
	Instances []sandbox.Instance `json:"instances"`
	Orders    []sandbox.Order    `json:"orders"`
	Records   []sandbox.Record   `json:"records"`
}

// heir is a trial that goes on from a snapshot.
type heir struct {
	*trial
	source string // the snapshot's directory
	snapshot
	shift   time.Duration // from the snapshot's time to the trial's
	renamed []string      // what the snapshot calls otherwise, each before its present name
	told    *hearer
}

// hearer is a webhook that keeps the events it was told.
type hearer struct {
	*httptest.Server
	mu     sync.Mutex
	events []string
}

func newHearer(t *testing.T) *hearer {
	h := &hearer{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Event string }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, message.Event)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hearer) heard() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// heirZones are the zones of the sandbox. A CNAME may lead from the first one
// into the second.
var heirZones = []string{"example.com", "example.net"}

// newHeir is a trial without instances, with a hook for every event that
// succeeds while hook.in is there, and with a channel. It is to inherit a
// snapshot of testdata/journals.
func newHeir(t *testing.T, snapshot string) *heir {
	t.Helper()
	options := sandbox.Options{Propagation: []time.Duration{10 * time.Millisecond}, IssueAfter: 50 * time.Millisecond,
		Instances: -1, Zones: heirZones}
	h := &heir{trial: newTrialAgainst(t, options), told: newHearer(t),
		source: filepath.Join("testdata", "journals", snapshot)}
	cp, err := exec.LookPath("cp")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(h.path("agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	delegating := strings.Replace(string(config), "[dns]\n", "[dns]\ndelegate = [\"example.net\"]\n", 1)
	h.write("agent.toml", delegating+fmt.Sprintf(`
[[hook]]
on = ["issued", "deployed", "failed"]
command = [%q, %q, %q]

[[notify]]
name = "ops"
kind = "webhook"
url = %q
`, cp, h.path("hook.in"), h.path("hook.out"), h.told.URL))
	h.write("hook.in", "")
	return h
}

// write makes a file that others may read when it is a certificate.
func (h *heir) write(name, content string) {
	h.Helper()
	path, mode := h.path(name), os.FileMode(0o600)
	if filepath.Ext(path) == ".pem" && filepath.Base(path) != "privkey.pem" {
		mode = 0o644
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		h.Fatal(err)
	}
}

// inherit brings trial and sandbox into the snapshot's state, so long after it
// was taken.
func (h *heir) inherit(age time.Duration) {
	h.Helper()
	noted, err := os.ReadFile(filepath.Join(h.source, "server.json"))
	if err != nil {
		h.Fatal(err)
	}
	if err := json.Unmarshal(noted, &h.snapshot); err != nil {
		h.Fatal(err)
	}
	h.shift = time.Since(h.At).Truncate(time.Second) - age
	h.rename(targetID(h.Dir), targetID(h.dir))
	h.rename(h.Dir, h.dir)
	h.seed()
	h.seedZones()
	h.store()
	h.journals()
}

func (h *heir) rename(old, present string) { h.renamed = append(h.renamed, old, present) }

// targetID is how the rollout's journal calls the deployment of a trial.
func targetID(dir string) string {
	text := "privkey.pem=" + dir + "/www.key\nchain.pem=\ncert.pem=\nfullchain.pem=" + dir + "/www.pem\n" +
		"combined.pem=\nbundle.pfx=\nbundle.jks=\nname=example.com\n"
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", sum[:6])
}

// seed brings the sandbox's instances and orders into the snapshot's state. The
// orders have other challenges.
func (h *heir) seed() {
	h.Helper()
	for _, i := range h.Instances {
		if i.Submissions > 0 {
			i.Status = "PAYED" // until its order is placed again
		}
		h.sandbox.AddInstance(i.CertType, i.Source, i.Status, i.InstanceID)
	}
	for _, o := range h.Orders {
		if err := h.sandbox.Submit(o.InstanceID, o.Domains...); err != nil {
			h.Fatal(err)
		}
		placed := h.sandbox.Orders()
		h.rename(o.CheckValue, placed[len(placed)-1].CheckValue)
		if o.Status == "checking" {
			continue
		}
		if err := h.sandbox.ForceOrder(o.InstanceID, o.Status); err != nil {
			h.Fatal(err)
		}
	}
}

// seedZones puts the snapshot's records into the zones, where they have other
// ids, in place of what every trial has.
func (h *heir) seedZones() {
	h.Helper()
	for _, r := range h.records() {
		if err := h.sandbox.DeleteRecord(r.RecordID); err != nil {
			h.Fatal(err)
		}
	}
	values := strings.NewReplacer(h.renamed...)
	for _, r := range h.Records {
		id, err := h.sandbox.AddRecord(r.Zone, r.RR, r.Type, values.Replace(r.Value))
		if err != nil {
			h.Fatal(err)
		}
		h.rename(r.RecordID, id)
	}
}

// records lists what stands in all zones.
func (h *heir) records() []sandbox.Record {
	var all []sandbox.Record
	for _, zone := range heirZones {
		all = append(all, h.sandbox.Records(zone)...)
	}
	return all
}

// store makes a pair for each version of the snapshot, an hour apart, and lays
// it where the old build had laid its own.
func (h *heir) store() {
	h.Helper()
	ca, present := bundletest.NewCA(h, "old"), map[string]string{}
	for i, old := range h.Versions {
		b := ca.Issue(h, bundletest.Leaf{Names: []string{"example.com", "*.example.com"},
			NotBefore: time.Now().Add(time.Duration(i-len(h.Versions)) * time.Hour)})
		id := fmt.Sprintf("%s-%.6x", b.Leaf.NotBefore.UTC().Format("20060102"), sha256.Sum256(b.Leaf.Raw))
		present[old] = id
		h.rename(old, id)
		for name, content := range map[string][]byte{"cert.pem": b.CertPEM(), "chain.pem": b.ChainPEM(),
			"fullchain.pem": b.FullchainPEM(), "privkey.pem": b.KeyPEM()} {
			h.write("state/certificates/example.com/versions/"+id+"/"+name, string(content))
		}
		h.deploy(old, b)
	}
	if h.Current == "" {
		return
	}
	if err := os.Symlink("versions/"+present[h.Current], h.path("state/certificates/example.com/current")); err != nil {
		h.Fatal(err)
	}
}

// deploy lays the pair of a version where the snapshot has it deployed.
func (h *heir) deploy(old string, b *bundle.Bundle) {
	h.Helper()
	for target, version := range h.Targets {
		if version == old {
			h.write(target, string(b.FullchainPEM()))
		}
	}
	if h.Targets["www.pem"] == old {
		h.write("www.key", string(b.KeyPEM()))
	}
}

var timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)

// present is a text of the snapshot with today's names and times.
func (h *heir) present(text string) string {
	text = strings.NewReplacer(h.renamed...).Replace(text)
	return timestamp.ReplaceAllStringFunc(text, func(old string) string {
		at, err := time.Parse(time.RFC3339Nano, old)
		if err != nil {
			h.Fatal(err)
		}
		if at.IsZero() { // that is no moment
			return old
		}
		return at.Add(h.shift).Format(time.RFC3339Nano)
	})
}

// journals lays the snapshot's files into the state directory.
func (h *heir) journals() {
	h.Helper()
	for _, name := range []string{
		"instances.journal", "records.journal", "notices.json", "certificates/example.com/order.journal",
		"certificates/example.com/last-order.journal", "certificates/example.com/rollout.journal",
	} {
		text, err := os.ReadFile(filepath.Join(h.source, filepath.Base(name)))
		switch {
		case os.IsNotExist(err):
		case err != nil:
			h.Fatal(err)
		case filepath.Ext(name) == ".json":
			h.write("state/"+name, h.present(string(text)))
		default:
			var lines strings.Builder
			for line := range strings.Lines(string(text)) {
				lines.WriteString(h.line(strings.TrimSuffix(line, "\n")) + "\n")
			}
			h.write("state/"+name, lines.String())
		}
	}
}

// line is a line of a journal with today's names, times and checksum.
func (h *heir) line(line string) string {
	h.Helper()
	sum, body, _ := strings.Cut(line, " ")
	if sum != castagnoli(body) {
		h.Fatalf("%s: not as the old build wrote it: %s", h.source, line)
	}
	body = h.present(body)
	return castagnoli(body) + " " + body
}

func castagnoli(body string) string {
	return fmt.Sprintf("%08x", crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
}
