// Package examples_test loads or runs every file in this directory as an
// operator would use it, with paths and ports of the test's own in place of
// those of a host.
package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/hooks"
	"dvagent/internal/command"
	"dvagent/internal/sandbox"
)

const installed = "/usr/local/bin/dvagent" // where the examples expect it

var dvagent string // the binary under test

func TestMain(m *testing.M) {
	command.Supervise()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dvagent-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	dvagent = filepath.Join(dir, "dvagent")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", dvagent, "dvagent/cmd/dvagent")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build dvagent:", err)
		return 1
	}
	return m.Run()
}

// host is a machine with dvagent on it, and a sandbox for its cloud.
type host struct {
	sandbox *sandbox.Sandbox
	config  string
	state   string
}

// newHost appends the tables, which may belong to its one certificate, to the
// configuration.
func newHost(t *testing.T, tables string) host {
	t.Helper()
	s, err := sandbox.Start(sandbox.Options{CASAPI: sandbox.API2020,
		IssueAfter:  50 * time.Millisecond,
		Propagation: []time.Duration{10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	dir := t.TempDir()
	h := host{s, filepath.Join(dir, "agent.toml"), filepath.Join(dir, "state")}
	write(t, h.config, s.AgentConfig(h.state)+tables)
	return h
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// adapted reads an example and puts each new text in place of the old one
// before it. An old text that is not there is a mistake in the test.
func adapted(t *testing.T, path string, oldNew ...string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldNew); i += 2 {
		if !bytes.Contains(text, []byte(oldNew[i])) {
			t.Fatalf("%s does not hold %q", path, oldNew[i])
		}
	}
	return strings.NewReplacer(oldNew...).Replace(string(text))
}

// What the docs show of a file has to stand in it, line by line.
func TestTheDocsShowTheExamplesAsTheyAre(t *testing.T) {
	for _, tt := range []struct{ page, block, path string }{
		{"getting-started-service.md", "ini", "systemd/dvagent.service"},
		{"getting-started-cron.md", "crontab", "cron/dvagent"},
	} {
		_, shown, found := strings.Cut(adapted(t, "../docs/"+tt.page), "```"+tt.block+"\n")
		if !found {
			t.Errorf("%s has no %s block", tt.page, tt.block)
		}
		shown, _, _ = strings.Cut(shown, "```")
		example := adapted(t, tt.path)
		for line := range strings.Lines(shown) {
			if !strings.Contains(example, line) {
				t.Errorf("%s shows %q, which is not in %s", tt.page, line, tt.path)
			}
		}
	}
}

// need skips a test whose tool is missing.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed: what the example does with it was not tried", tool)
	}
}

func TestCronRenewsAndKeepsQuiet(t *testing.T) {
	h := newHost(t, "")
	path, command := cronJob(t, adapted(t, "cron/dvagent", "root  dvagent ", "root  "+dvagent+" "))
	run := func() {
		t.Helper()
		job := exec.Command("/bin/sh", "-c", command)
		job.Env = []string{path, "HOME=/", "DVAGENT_CONFIG=" + h.config}
		if out, err := job.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v, and cron would send a mail: %q", err, out)
		}
	}
	run()
	if _, err := os.Stat(filepath.Join(h.state, "certificates", "example.com", "current", "cert.pem")); err != nil {
		t.Error(err)
	}
	h.sandbox.ClearHistory()
	run()
	if calls := h.sandbox.History(); len(calls) > 0 {
		t.Errorf("with nothing due, %d API calls were made", len(calls))
	}
}

// cronJob returns the PATH and the one command of a file for /etc/cron.d.
func cronJob(t *testing.T, text string) (path, command string) {
	t.Helper()
	job := regexp.MustCompile(`^([0-9*/,-]+\s+){5}root\s+([^%]+)$`)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch m := job.FindStringSubmatch(line); {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "PATH="):
			path = line
		case m != nil && command == "":
			command = m[2]
		default:
			t.Fatalf("cron would not understand %q", line)
		}
	}
	return path, command
}

// fault 175: the drop-in for hooks that make code while they run
func TestUnitsAreSound(t *testing.T) {
	units, err := filepath.Glob("systemd/dvagent*")
	if err != nil || len(units) != 7 {
		t.Fatalf("%d units: %v", len(units), err)
	}
	dir := t.TempDir()
	start := regexp.MustCompile(`(?m)^ExecStart=` + regexp.QuoteMeta(installed) + ` (.+)$`)
	verify := []string{"verify"}
	for _, unit := range units {
		text := adapted(t, unit)
		for _, m := range start.FindAllStringSubmatch(text, -1) {
			if out, err := exec.Command(dvagent, append(strings.Fields(m[1]), "--help")...).CombinedOutput(); err != nil {
				t.Errorf("%s: dvagent does not understand %q: %s", unit, m[1], out)
			}
		}
		path := filepath.Join(dir, filepath.Base(unit))
		write(t, path, strings.ReplaceAll(text, installed, dvagent))
		verify = append(verify, path)
	}
	need(t, "systemd-analyze")
	said := func() string {
		out, err := exec.Command("systemd-analyze", verify...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze: %v", err)
		}
		return string(out)
	}
	if out := said(); out != "" {
		t.Errorf("systemd-analyze: %s", out)
	}
	for _, service := range []string{"dvagent.service.d", "dvagent-renew.service.d"} {
		dropIns := filepath.Join(dir, service)
		if err := os.Mkdir(dropIns, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"root.conf", "jit.conf"} {
			write(t, filepath.Join(dropIns, name), adapted(t, "systemd/"+name))
		}
	}
	if out := said(); out != "" {
		t.Errorf("systemd-analyze, with the drop-ins: %s", out)
	}
}

// fault 173
func TestTheUnitsExposeLittle(t *testing.T) {
	services := []string{"systemd/dvagent.service", "systemd/dvagent-renew.service", "systemd/dvagent-reload-nginx.service"}
	_, restrictions, _ := strings.Cut(adapted(t, services[0]), "\nUser=dvagent\n")
	restrictions, _, _ = strings.Cut(restrictions, "\n[Install]")
	if _, same, _ := strings.Cut(adapted(t, services[1]), "\nUser=dvagent\n"); same != restrictions {
		t.Errorf("after User= the services differ:\n%s\n%s", restrictions, same)
	}
	_, restrictions, _ = strings.Cut(restrictions, "\n\n")
	reload := adapted(t, services[2])
	for line := range strings.Lines(restrictions) {
		name, _, _ := strings.Cut(line, "=")
		own := name == "CapabilityBoundingSet" || name == "RestrictAddressFamilies"
		if want := "\n" + line; !own && !strings.Contains(reload, want) || own && !strings.Contains(reload, "\n"+name+"=") {
			t.Errorf("%s lacks %s", services[2], line)
		}
	}
	need(t, "systemd-analyze")
	for _, service := range append(services, "systemd/dvagent-root@.service") {
		threshold := "--threshold=15" // an exposure of 1.5
		if strings.Contains(service, "root@") {
			threshold = "--threshold=50" // what nginx -t does is no less
		}
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", threshold, "--no-pager", service).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v:\n%s", service, err, out)
		}
	}
}

// Six starts in ten seconds end a unit for ever, unless it says otherwise.
//
// fault 173
func TestNoNumberOfReloadsEndsTheUnitsForEver(t *testing.T) {
	for _, unit := range []string{"systemd/dvagent-reload-nginx.path", "systemd/dvagent-reload-nginx.service"} {
		section, _, _ := strings.Cut(adapted(t, unit), "\n\n")
		if !strings.Contains(section, "[Unit]\n") || !strings.HasSuffix(section, "\nStartLimitIntervalSec=0") {
			t.Errorf("%s limits how often it starts: %q", unit, section)
		}
	}
}

// fault 173
func TestABurstOfRequestsIsOneReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	request, reloads := filepath.Join(dir, "reload-nginx"), filepath.Join(dir, "reloads")
	service := serviceCommands(adapted(t, "systemd/dvagent-reload-nginx.service",
		"/run/dvagent/reload-nginx", request, "/bin/systemctl reload nginx.service", "echo >>"+reloads))
	running := exec.Command("/bin/sh", "-c", service)
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		write(t, request, "")
		if _, err := os.Stat(reloads); err == nil {
			t.Fatal("it reloads while it is still asked to")
		}
	}
	if err := running.Wait(); err != nil {
		t.Fatal(err)
	}
	if text := adapted(t, reloads); text != "\n" {
		t.Errorf("%d reloads", len(text))
	}
	if _, err := os.Stat(request); err == nil {
		t.Error("the request is still there, and would be heard again")
	}
}

func TestTheUserOfTheUnitsIsMade(t *testing.T) {
	need(t, "systemd-sysusers")
	root, path := t.TempDir(), filepath.Join(t.TempDir(), "dvagent.conf")
	write(t, path, adapted(t, "systemd/sysusers.d/dvagent.conf"))
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-sysusers", "--root="+root, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if users := adapted(t, filepath.Join(root, "etc", "passwd")); !strings.Contains(users, ":/var/lib/dvagent:/usr/sbin/nologin\n") {
		t.Errorf("the user has no home, or a shell: %q", users)
	}
}

// fault 76: what a server said is an argument, never a script
func TestNotifyTellsTheLog(t *testing.T) {
	script, err := filepath.Abs("hooks/notify")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, adapted(t, "hooks/hook.toml", "/usr/local/bin/notify", script))
	cfg, err := config.Load(h.config)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	logger := fmt.Sprintf("#!/bin/sh\nprintf '%%s|' \"$@\" > %s/said\n", bin)
	if err := os.WriteFile(filepath.Join(bin, "logger"), []byte(logger), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")

	for _, tt := range []struct{ event, said string }{
		{hooks.Issued, "-t|dvagent|-p|daemon.notice|--|www (example.com *.example.com): a new certificate is stored, valid until 2027-06-11T00:00:00Z|"},
		{hooks.Deployed, "-t|dvagent|-p|daemon.notice|--|www (example.com *.example.com): the certificate valid until 2027-06-11T00:00:00Z is deployed|"},
		{hooks.Failed, "-t|dvagent|-p|daemon.err|--|www (example.com *.example.com): failed: $(no) `spare` instance|"},
	} {
		results := hooks.Run(t.Context(), new(command.Shifts), cfg.Hooks, hooks.Event{
			Name: tt.event, Certificate: "www", Domains: []string{"example.com", "*.example.com"},
			NotAfter: time.Date(2027, 6, 11, 0, 0, 0, 0, time.UTC), Error: "$(no) `spare` instance",
		})
		if len(results) != 1 || results[0].Err != nil {
			t.Fatalf("%s: %+v", tt.event, results)
		}
		if said, err := os.ReadFile(filepath.Join(bin, "said")); err != nil || string(said) != tt.said {
			t.Errorf("%s: %v: logger was given %q, not %q", tt.event, err, said, tt.said)
		}
	}
}
