package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/share"
	"dvagent/internal/bundle/bundletest"
)

func TestAnIdentityIsWrittenOnceForItsUserAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.key")
	code, out, stderr := dvagent(t, "fleet", "keygen", path)
	if code != exitOK || stderr != "" || !strings.Contains(out, path) {
		t.Fatalf("exit code %d, %s%s", code, out, stderr)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %v", info.Mode(), err)
	}
	_, secret, _ := strings.Cut(string(first), "AGE-SECRET-KEY-")
	code, again, stderr := dvagent(t, "fleet", "keygen", path)
	if code != exitUsage || !strings.Contains(stderr, "is there already") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(first) {
		t.Errorf("it was overwritten: %v", err)
	}
	if secret == "" || strings.Contains(out+again+stderr, secret) {
		t.Error("the identity is printed, or there is none")
	}
}

// member is a host of a fleet that follows it, and has no account.
type member struct {
	*testing.T
	fleet  *fleet.Fleet
	etcd   *fleettest.Cluster
	config string
	dir    string
}

func newMember(t *testing.T) *member {
	t.Helper()
	etcd := fleettest.One(t)
	text, err := fleet.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	m := &member{T: t, etcd: etcd, dir: t.TempDir()}
	identity := fleettest.Identity(t, text)
	m.meets(identity)
	m.config = filepath.Join(m.dir, "agent.toml")
	err = os.WriteFile(m.config, fmt.Appendf(nil, `state_dir = "%[1]s/state"
[fleet]
etcd = [%[2]q]
identity_file = %[3]q
[[certificate]]
name = "www"
domains = ["www.example.com"]
follow = true
  [[certificate.deploy]]
  fullchain = "%[1]s/www.pem"
  key = "%[1]s/www.key"
`, m.dir, etcd.URLs()[0], identity), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// meets has another host publish that has this identity.
func (m *member) meets(identity string) {
	m.fleet = fleet.New(m.etcd.Settings(identity))
	m.Cleanup(m.fleet.Close)
}

// run runs a command that exits with code, and says all of these texts.
func (m *member) run(code int, command string, says ...string) string {
	m.Helper()
	args := strings.Fields(command)
	got, out, stderr := dvagent(m.T, append(args, "--config", m.config)...)
	for _, text := range says {
		if !strings.Contains(out+stderr, text) {
			m.Errorf("%s does not say %q: %s%s", command, text, out, stderr)
		}
	}
	if got != code {
		m.Errorf("%s: exit code %d: %s%s", command, got, out, stderr)
	}
	return out
}

// publish offers a version that begins so long ago, as another host does that tries it.
func (m *member) publish(ca *bundletest.CA, ago time.Duration, try fleet.Try) {
	m.Helper()
	now := time.Now()
	b := ca.Issue(m.T, bundletest.Leaf{Names: []string{"www.example.com"}, NotBefore: now.Add(-ago), NotAfter: now.Add(90 * 24 * time.Hour)})
	r, err := m.fleet.Rollout(m.Context(), "www")
	if err == nil {
		r, err = m.fleet.Publish(m.Context(), r, fleet.Publication{Bundle: b, By: "other-1", At: now, Try: true})
	}
	if err == nil {
		_, err = m.fleet.Note(m.Context(), r, "other-1", try)
	}
	if err != nil {
		m.Fatal(err)
	}
}

func TestAMemberWithoutAnAccountFollowsItsFleet(t *testing.T) {
	m := newMember(t)
	ca := bundletest.NewCA(t, "fleet")
	m.run(exitUsage, "fleet status --as x")
	m.run(exitPending, "renew", "a host of the fleet that publishes www")
	m.run(exitOK, "check --online", "etcd answers; it knows 1 host")
	now := time.Now().UTC()
	m.publish(ca, 10*24*time.Hour, fleet.Try{At: now, State: fleet.Served})
	m.run(exitOK, "renew", "renewed")
	m.run(exitOK, "renew --quiet")
	m.run(exitOK, "check --online", "the fleet has version ")
	m.run(exitOK, "status", "www")

	m.publish(ca, time.Hour, fleet.Try{At: now, State: fleet.Failed, Error: "nginx -t: exit status 1"})
	m.run(exitPending, "renew", "host other-1 failed with it: nginx -t: exit status 1")
	m.run(exitOK, "status", "host other-1 failed with it")
	m.run(exitOK, "plan")
	if out := m.run(exitOK, "fleet status", "host other-1 failed with version"); !strings.Contains(out, "held") || !strings.Contains(out, "0/1") {
		t.Errorf("the fleet is shown as %s", out)
	}
	m.run(exitUsage, "fleet release shop", `no certificate is named "shop"`)
	m.run(exitOK, "fleet release www", "released to all hosts")
	m.run(exitOK, "renew", "renewed")
	var shown share.Overview
	if err := json.Unmarshal([]byte(m.run(exitOK, "fleet status --json")), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Certificates) != 1 || len(shown.Hosts) != 1 {
		t.Fatalf("%+v", shown)
	}
	one := shown.Certificates[0]
	if one.State != share.Released || one.Serving[one.Version] != 1 || one.PublishedBy != "other-1" || len(one.Canaries) != 1 || shown.Hosts[0].Versions["www"] != one.Version {
		t.Errorf("%+v", shown)
	}
	m.run(exitOK, "rollback www --fleet")
	m.run(exitOK, "fleet status", "rolled back from version "+one.Version)
}

// says chooses the language of all commands that follow.
func (m *member) says(language string) {
	m.Helper()
	text, err := os.ReadFile(m.config)
	if err == nil {
		err = os.WriteFile(m.config, fmt.Appendf(text, "[messages]\nlanguage = %q\n", language), 0o600)
	}
	if err != nil {
		m.Fatal(err)
	}
}

func TestAVersionThatAMemberCannotUseNeedsAnOperator(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ago     time.Duration // since it begins
		spoil   bool          // what is sealed
		says    string
		advises string
	}{
		{"that begins by a clock which is ahead", -time.Hour, false, "is not valid before", "see whether the clock of this host is right"},
		{"whose seal is another fleet's", time.Hour, true, "in etcd cannot be used", "see that identity_file is the same"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMember(t)
			if tt.spoil {
				text, err := fleet.NewIdentity()
				if err != nil {
					t.Fatal(err)
				}
				m.meets(fleettest.Identity(t, text))
			}
			m.publish(bundletest.NewCA(t, "fleet"), tt.ago, fleet.Try{At: time.Now().UTC(), State: fleet.Served})
			m.run(exitFailed, "renew", tt.says)
			m.run(exitOK, "status", "www          failed", "1 of 1 certificate needs you", tt.says, tt.advises)
			if out := m.run(exitOK, "status www", "www  failed", tt.advises); strings.Contains(out, "  account") || strings.Contains(out, "  api") {
				t.Errorf("it has no account: %s", out)
			}
		})
	}
}

// fault 124: the canary tells of it; the others show it.
func TestAVersionThatACanaryHoldsBackIsShownOnAllHosts(t *testing.T) {
	for _, tt := range []struct {
		language             string
		status, held, trying []string
	}{
		{"en", []string{"host other-1 failed with it: nginx -t", "help that host, or take the version back: dvagent rollback www --fleet"},
			[]string{"host other-1 failed with version", "nginx -t", "to do: help that host", "held"},
			[]string{"www: host other-1 tries version", "trying"}},
		{"zh", []string{"主机 other-1 使用它时失败：nginx -t", "处理该主机，或撤回该版本：dvagent rollback www --fleet", "问题"},
			[]string{"主机 other-1 使用版本", "nginx -t", "需要：处理该主机", "使用的版本"},
			[]string{"www：主机 other-1 自", "起试用版本", "试用中"}},
	} {
		t.Run(tt.language, func(t *testing.T) {
			m := newMember(t)
			ca := bundletest.NewCA(t, "fleet")
			m.says(tt.language)
			now := time.Now().UTC()
			m.publish(ca, 10*24*time.Hour, fleet.Try{At: now, State: fleet.Served})
			m.run(exitOK, "renew")
			m.publish(ca, 2*time.Hour, fleet.Try{At: now, State: fleet.Failed, Error: "nginx -t: exit status 1"})
			m.run(exitPending, "renew", tt.status[0])
			m.run(exitOK, "status", tt.status[:2]...)
			m.run(exitOK, "status www", tt.status...)
			m.run(exitOK, "fleet status", tt.held...)
			m.publish(ca, time.Hour, fleet.Try{At: now, State: fleet.Trying})
			m.run(exitOK, "fleet status", tt.trying...)
		})
	}
}

func TestAHostThatIsAloneHasNoFleetToShow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := dvagent(t, "fleet", "status", "--config", path)
	if code != exitUsage || !strings.Contains(stderr, "this host is alone") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
