package dashboard

import (
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/journal"
)

const day = 24 * time.Hour

// past is how a certificate came to stand as it does.
type past struct {
	name, domains string        // domains: separated by spaces; none: the name below example.com
	age, left     time.Duration // since the issue of its version, and until its end; both 0: there is none
	order         []order.Fact  // the open order; At, where it is missing, is an hour ago
	failed        string        // why its deployment failed
	held          bool
	bare          bool          // without deployments
	unprobed      bool          // with a deployment, without a probe
	broken        bool          // its rollout cannot be read
	hook          string        // why a hook is owed
	fresh         bool          // no rollout yet
	subscription  time.Duration // until the end of the one that is kept for it; 0: there is none
	stock         *order.Stock  // that its package p showed to its last order; nil: it is from no package
}

const head = `state_dir = %q
[account.main]
access_key_id = "LTAIexample"
access_key_secret = "canary-secret"
[contact.ops]
username = "Zhang San"
mobile = "13300000000"
email = "ops@example.com"
province = "zhejiang"
city = "hangzhou"
`

// host is a state directory and a service that has it to look after. The
// service does not run.
type host struct {
	testing.TB
	dir     string
	service Service
	config  *config.Config
	board   *Dashboard
}

func newHost(tb testing.TB, all ...past) *host {
	tb.Helper()
	h := &host{TB: tb, dir: tb.TempDir()}
	text := fmt.Sprintf(head, h.state())
	for _, p := range all {
		text += h.table(p)
	}
	path := filepath.Join(h.dir, "agent.toml")
	h.must(os.WriteFile(path, []byte(text), 0o600))
	var err error
	h.config, err = config.Load(path)
	h.must(err)
	h.must(state.Dir(h.state()).Prepare())
	ca, key := bundletest.NewCA(tb, "test"), bundletest.NewKey(tb)
	for i, p := range all {
		h.live(p, h.config.Certificates[i], ca, key)
	}
	h.board = New(Build{"1.2.3", "0123abcd", "go1.26"})
	a, err := agent.New(h.config, nil, h.board.Observe)
	h.must(err)
	h.service = agent.NewService(a, nil, state.Caller{Who: "test", LockWait: time.Second})
	return h
}

func (h *host) must(errs ...error) {
	h.Helper()
	if err := errors.Join(errs...); err != nil {
		h.Fatal(err)
	}
}

func (h *host) state() string { return filepath.Join(h.dir, "state") }

func (p past) names() []string {
	if p.domains == "" {
		return []string{p.name + ".example.com"}
	}
	return strings.Fields(p.domains)
}

func (h *host) table(p past) string {
	text := fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [\"%s\"]\n", p.name, strings.Join(p.names(), `", "`))
	if p.stock != nil {
		text += "package = \"p\"\n"
	}
	if p.bare {
		return text
	}
	text += fmt.Sprintf("  [[certificate.deploy]]\n  fullchain = %q\n", filepath.Join("/etc/nginx/tls", p.name+".pem"))
	if !p.unprobed {
		text += "  probe = [\"127.0.0.1:1\"]\n"
	}
	return text
}

// live writes what the certificate's past has left on the disk.
func (h *host) live(p past, c config.Certificate, ca *bundletest.CA, key crypto.Signer) {
	h.Helper()
	now := time.Now()
	dir := filepath.Join(h.state(), "certificates", p.name)
	h.must(os.MkdirAll(dir, 0o700))
	version := ""
	if p.age != 0 || p.left != 0 {
		b := ca.Issue(h, bundletest.Leaf{Names: p.names(), Key: key, NotBefore: now.Add(-p.age), NotAfter: now.Add(p.left)})
		version = b.ID()
		h.must(b.Write(bundle.Open(dir).Path(version)), os.Symlink("versions/"+version, filepath.Join(dir, "current")))
	}
	h.roll(p, c, dir, version)
	facts, _, err := journal.Open[order.Fact](filepath.Join(dir, order.OpenFile))
	h.must(err)
	ledger, err := order.LoadInstances(state.Dir(h.state()).Instances())
	h.must(err)
	for i, fact := range p.order {
		if fact.At.IsZero() {
			fact.At = now.Add(-time.Hour)
		}
		if i == 0 {
			fact.Account, fact.Domains = c.Account, c.Domains
		}
		h.must(facts.Append(fact))
		if fact.Kind == order.Claimed {
			_, err := ledger.Claim(c.Account, p.name, order.Claim{Instance: fact.Instance})
			h.must(err)
		}
	}
	if p.subscription != 0 {
		kept := order.Instance{Account: c.Account, ID: "cas_dv-cn-" + p.name}
		_, err := ledger.Claim(c.Account, p.name, order.Claim{Instance: kept.ID, Until: now.Add(p.subscription)})
		h.must(err, ledger.Note(order.InstanceKept, kept, p.name))
	}
	if p.stock != nil {
		slot := order.Instance{Account: c.Account, ID: order.PackageSlot("p", p.name)}
		_, err := ledger.Claim(c.Account, p.name, order.Claim{Instance: slot.ID, Package: "p"})
		h.must(err, ledger.Submit(slot, p.name, p.stock), ledger.Note(order.InstanceReleased, slot, p.name))
	}
	if p.broken {
		h.must(os.WriteFile(filepath.Join(dir, "rollout.journal"), nil, 0o600), os.Remove(filepath.Join(dir, "rollout.journal")),
			os.Mkdir(filepath.Join(dir, "rollout.journal"), 0o700))
	}
}

func (h *host) roll(p past, c config.Certificate, dir, version string) {
	h.Helper()
	r, err := rollout.Load(dir)
	h.must(err)
	for _, target := range c.Deploy {
		if version == "" || p.fresh {
			continue
		}
		h.must(r.Deployed(target.ID(), version))
		if p.failed != "" {
			h.must(r.Fail(target.ID(), version, rollout.Failure{Text: p.failed,
				Hint: "start the server that listens at 127.0.0.1:443, or correct the probe", Until: time.Now().Add(8 * time.Minute)}))
		}
	}
	if p.hook != "" {
		h.must(r.Fail("deployed", version, rollout.Failure{Text: p.hook,
			Hint: "mend the hook; it is run again by itself, or by dvagent renew", Until: time.Now().Add(8 * time.Minute)}))
	}
	if p.held {
		h.must(r.Hold(version))
	}
}

// open serves the dashboard on loopback, as Serve does.
func (h *host) open() string {
	server := httptest.NewServer(guarded(h.loopback(), slog.New(slog.DiscardHandler), h.board.handler(h.Context(), h.service)))
	h.Cleanup(server.Close)
	return server.URL
}

func (h *host) loopback() config.Service { return config.Service{Listen: "127.0.0.1:0"} }

func opened(reason string) order.Fact { return order.Fact{Kind: order.Opened, Reason: reason} }
func claimed(instance string) order.Fact {
	return order.Fact{Kind: order.Claimed, Instance: instance}
}

func waiting(why string) order.Fact { return order.Fact{Kind: order.Waiting, Reason: why} }

// submitted is an order whose record is written.
func submitted(name, instance string) []order.Fact {
	record := order.Record{Account: "main", Zone: "example.com", RR: "_dnsauth." + name, Name: "_dnsauth." + name + ".example.com", Value: "202611"}
	added := record
	added.RecordID = "9998"
	return []order.Fact{opened("in window"), claimed(instance), {Kind: order.Submitting}, {Kind: order.Submitted},
		{Kind: order.Seen, Status: "checking"}, {Kind: order.Challenged, Challenge: &order.Challenge{Kind: "DNS", Name: record.Name, Value: record.Value}},
		{Kind: order.Adding, Record: &record}, {Kind: order.Added, Record: &added}}
}

// everyState is a host's worth of certificates, in every state there is.
func everyState() []past {
	soon := time.Now().Add(4 * time.Minute)
	all := []past{
		{name: "legacy", age: 203 * day, left: -3 * day, failed: "connect: dial tcp 127.0.0.1:443: connect: connection refused"},
		{name: "pay", domains: "pay.example.com api.pay.example.com", age: 191 * day, left: 9 * day, order: []order.Fact{opened("emergency"),
			{Kind: order.Failed, Error: "no spare instance among the 6 of account main", Hint: "buy a DV instance; the next look finds it by itself", Until: soon}}},
		{name: "intranet", age: 140 * day, left: 60 * day, order: append(submitted("intranet", "cas-cn-7pp2v9x1"),
			order.Fact{Kind: order.Failed, Error: `the CA refused the validation three times: "CAA record forbids issuance"`, Hint: "add a CAA record for the CA, then: dvagent renew --force intranet", Stopped: true})},
		{name: "new-shop", domains: "new-shop.example.com", order: []order.Fact{opened("missing"),
			{Kind: order.Failed, Error: "no spare instance among the 6 of account main", Hint: "buy a DV instance; the next look finds it by itself", Until: soon}}},
		{name: "mail", age: 138 * day, left: 62 * day, order: []order.Fact{opened("in window"), claimed("cas-cn-68n1mm16"),
			{Kind: order.Failed, Error: `CreateDVOrderAudit: Forbidden.RAM (403): "User not authorized to operate on the specified resource" (request 5D97-11)`,
				Hint: "grant the RAM action yundun-cert:CreateDVOrderAudit to the account's user or role", Until: soon}}},
		{name: "static", age: 20 * day, left: 180 * day, failed: "1 of 1 probes do not show the new certificate: 127.0.0.1:443 serves the certificate of 2026-05-02 (…90af)"},
		{name: "git", age: 40 * day, left: 160 * day, hook: `hook /usr/local/bin/notify of event deployed: exit status 1; it said "no route to host"`},
		{name: "www", domains: "example.com *.example.com", age: 135 * day, left: 65 * day,
			order: append(submitted("www", "cas-cn-l1gk1q5g"), waiting("127.0.0.1:35687 stale (serial 1795473076, others have 1795473077); 1 of 2 visible"))},
		{name: "blog", age: 136 * day, left: 64 * day,
			order: append(submitted("blog", "cas-cn-55gk1q5g"), order.Fact{Kind: order.Visible}, waiting("the CA (checking since 3 min)"))},
		{name: "due-now", age: 137 * day, left: 63 * day},
		{name: "fresh", age: 2 * time.Hour, left: 200 * day, fresh: true},
		{name: "wiki", age: 30 * day, left: 170 * day, held: true},
		{name: "damaged", age: 30 * day, left: 170 * day, broken: true},
		{name: "host-only", age: 50 * day, left: 150 * day, bare: true, subscription: 40 * day},
		{name: "many", age: 60 * day, left: 140 * day, domains: "a.example.com b.example.com c.example.com d.example.com e.example.com"},
	}
	for i := len(all); i < 25; i++ {
		age := time.Duration(i*5) * day
		all = append(all, past{name: fmt.Sprintf("app-%02d", i), age: age, left: 200*day - age})
	}
	return all
}
