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
	probed   bool // what the web server serves is looked at
}

// configure writes the host's agent.toml.
func (h *host) configure(s settings) {
	h.settings = s
	ready := h.world.cloud.Ready()
	var probes []string
	if s.probed {
		probes = []string{h.address}
	}
	text := fmt.Sprintf(agentConfig, h.stateDir(), ready.AccessKeyID, secret, ready.API, ready.API, s.api,
		quoted(ready.DNS), quoted(ready.DNS), s.interval, noticesAt, h.name, hookCommand, quoted(s.names), s.key,
		h.certificateFile(), h.keyFile(), checkCommand, reloadCommand, quoted(probes))
	if err := os.WriteFile(h.configFile(), []byte(text), 0o600); err != nil {
		h.world.t.Fatal(err)
	}
}

func quoted(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = fmt.Sprintf("%q", word)
	}
	return strings.Join(all, ", ")
}

const agentConfig = `state_dir = %q

[account.main]
access_key_id = %q
access_key_secret = %q
cas_endpoint = %q
dns_endpoint = %q
cas_api = %q

[contact.ops]
username = "Zhang San"
mobile = "13300000000"
email = "ops@example.com"
province = "zhejiang"
city = "hangzhou"

[dns]
resolvers = [%s]
nameservers = [%s]

[service]
interval = %q

[[notify]]
name = "ops"
kind = "webhook"
url = "http://%s/%s"

[[hook]]
on = ["issued", "deployed", "failed"]
command = [%q]

[[certificate]]
name = "www"
domains = [%s]
account = "main"
contact = "ops"
key_type = %q

  [[certificate.deploy]]
  fullchain = %q
  key = %q
  check = [%q]
  reload = [%q]
  probe = [%s]
  timeout = "20s"
`
