package simulate

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// settings are what an agent.toml of the simulation says.
type settings struct {
	names    []string
	interval time.Duration
	key      string // its type
	api      string
	probed   bool          // what the web server serves is looked at
	poll     time.Duration // the shortest time between two looks at an order

	choices [][]string // names that an edit may bring; nil: it leaves them
	stocked bool       // it orders from a package
	byFile  bool       // the CA sees a file
	uploads bool       // the account gets each pair
	follows bool       // it orders nothing
}

// String says how a host comes by its certificate.
func (s settings) String() string {
	way := "orders on an instance"
	switch {
	case s.follows:
		way = "follows"
	case s.stocked:
		way = "orders from a package"
	case s.byFile:
		way = "proves by a file"
	case s.uploads:
		way = "uploads"
	}
	return fmt.Sprintf("%s, API %s: %s, looks each %s", strings.Join(s.names, " "), s.api, way, s.poll)
}

// configure writes the host's agent.toml.
func (h *host) configure(s settings) {
	h.settings = s
	var probes []string
	if s.probed {
		probes = []string{h.address}
	}
	text, _, _ := strings.Cut(h.world.cloud.AgentConfig(h.stateDir()), "[[certificate]]")
	text = strings.Replace(text, "[account.main]\n", fmt.Sprintf("[account.main]\ncas_api = %q\n", s.api), 1)
	text += fmt.Sprintf(hostConfig, s.interval, s.poll, noticesAt, h.name, hookCommand, h.certificate, quoted(s.names), s.lines(h),
		h.certificateFile(), h.keyFile(), checkCommand, reloadCommand, quoted(probes))
	if err := h.withRoom(func() error { return os.WriteFile(h.configFile(), []byte(text), 0o600) }); err != nil {
		h.world.t.Fatal(err)
	}
}

// edited changes the configuration, and starts the service anew.
func (w *world) edited(h *host) {
	if h.running() == nil || h.isAsleep() {
		return
	}
	next := h.settings
	if choice := w.dice.IntN(3); next.choices != nil {
		next.names = next.choices[choice]
	}
	next.key = []string{"ec256", "rsa2048"}[w.dice.IntN(20)/19]
	w.tell("people", "edit agent.toml of %s: names %s, key %s", h.name, strings.Join(next.names, " "), next.key)
	h.end()
	h.configure(next)
	w.excuse(1)
	h.watch.lastBad = time.Now()
	h.start()
}

func quoted(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = fmt.Sprintf("%q", word)
	}
	return strings.Join(all, ", ")
}

// hostConfig follows what the sandbox says of its account, and of whom to ask.
const hostConfig = `
[service]
interval = %q

[limits]
shortest_poll = %q

[[notify]]
name = "ops"
kind = "webhook"
url = "http://%s/%s"

[[hook]]
on = ["issued", "deployed", "failed"]
command = [%q]

[[certificate]]
name = %q
domains = [%s]
account = "main"
%s
  [[certificate.deploy]]
  fullchain = %q
  key = %q
  check = [%q]
  reload = [%q]
  probe = [%s]
  timeout = "20s"
`
