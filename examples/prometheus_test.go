package examples_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	need(t, "promtool")
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func TestPrometheusTakesTheRules(t *testing.T) {
	promtool(t, "check", "rules", "prometheus/alerts.yml")
	promtool(t, "test", "rules", "prometheus/alerts_test.yml")
}

func TestPrometheusTakesTheScrapeJobs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "alerts.yml"), adapted(t, "prometheus/alerts.yml"))
	write(t, filepath.Join(dir, "token"), "canary-0123456789")
	path := filepath.Join(dir, "prometheus.yml")
	write(t, path, adapted(t, "prometheus/scrape.yml", "/etc/prometheus/dvagent-token", filepath.Join(dir, "token")))
	promtool(t, "check", "config", path)
}

var metricName = regexp.MustCompile(`dvagent_[a-z_]+`)

// Each metric that the rules, the dashboard and the docs name is one that the
// service describes.
func TestTheMetricsThatAreNamedExist(t *testing.T) {
	known := metricsOfARun(t)
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	text := adapted(t, "prometheus/dashboard.json")
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil || len(dashboard.Panels) == 0 {
		t.Fatalf("%d panels, %v", len(dashboard.Panels), err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			if !metricName.MatchString(target.Expr) {
				t.Errorf("%q asks for no metric of dvagent", target.Expr)
			}
		}
	}
	for _, path := range []string{"prometheus/dashboard.json", "prometheus/alerts.yml", "prometheus/alerts_test.yml", "../docs/monitoring.md"} {
		for _, name := range metricName.FindAllString(adapted(t, path), -1) {
			family := regexp.MustCompile(`_(count|sum|bucket)$`).ReplaceAllString(name, "")
			if !known[family] {
				t.Errorf("%s names %s, which there is not", path, name)
			}
		}
	}
}

// metricsOfARun lets the service place an order that waits for its record, with
// a call that fails, so that every metric shows.
func metricsOfARun(t *testing.T) map[string]bool {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	dir := t.TempDir()
	h := newHost(t, `
  [[certificate.deploy]]
  fullchain = "`+dir+`/www.pem"
  probe = ["127.0.0.1:1"]
  timeout = "1s"
[service]
listen = "`+address+`"
token = "of-twenty-characters"
`)
	service := exec.Command(dvagent, "--config", h.config, "run")
	var log bytes.Buffer
	service.Stderr = &log
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		service.Process.Signal(os.Interrupt)
		service.Wait()
	})
	known := map[string]bool{"dvagent_certificate_order_step": true, "dvagent_api_errors_total": true, // shown while there are any
		"dvagent_package_certificates_left": true, "dvagent_package_coming_renewals": true} // shown where a package is ordered from
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		answer, err := http.Get("http://prometheus:of-twenty-characters@" + address + "/metrics")
		if err != nil {
			continue
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^# TYPE (dvagent_\w+) `).FindAllSubmatch(text, -1) {
			known[string(m[1])] = true
		}
		if known["dvagent_certificate_served"] && known["dvagent_account_spare_instances"] && known["dvagent_certificate_not_after_timestamp_seconds"] {
			return known
		}
	}
	t.Fatalf("the service never showed all metrics: %v\n%s", known, log.String())
	return nil
}
