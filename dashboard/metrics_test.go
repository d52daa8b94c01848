package dashboard

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	text, _ := look(t, url+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value is that of the one metric with all these labels, as name=value, or -1.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	for _, metric := range families["dvagent_"+name].GetMetric() {
		has := map[string]bool{}
		for _, label := range metric.Label {
			has[label.GetName()+"="+label.GetValue()] = true
		}
		all := true
		for _, label := range labels {
			all = all && has[label]
		}
		if all {
			return metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

func TestMetricsTellHowEachCertificateStands(t *testing.T) {
	h := newHost(t, everyState()...)
	families := scrape(t, h.open())
	for _, tt := range []struct {
		metric, certificate, label string
		want                       float64
	}{
		{"certificate_deployed", "app-20", "", 1},
		{"certificate_served", "app-20", "", 1},
		{"certificate_error", "app-20", "cause=", 0},
		{"certificate_order_step", "app-20", "", -1},
		{"certificate_order_step", "www", "step=propagate", 1},
		{"certificate_order_step", "blog", "step=issue", 1},
		{"certificate_error", "mail", "cause=order", 1},
		{"certificate_error", "intranet", "cause=stopped", 1},
		{"certificate_error", "new-shop", "cause=instance", 1},
		{"certificate_not_after_timestamp_seconds", "new-shop", "", -1},
		{"certificate_error", "static", "cause=deployment", 1},
		{"certificate_served", "static", "", 0},
		{"certificate_error", "git", "cause=hook", 1},
		{"certificate_error", "damaged", "cause=state", 1},
		{"certificate_deployed", "host-only", "", -1},
		{"certificate_served", "host-only", "", -1},
		{"certificate_held", "wiki", "", 1},
	} {
		labels := []string{"certificate=" + tt.certificate}
		if tt.label != "" && tt.label != "cause=" {
			labels = append(labels, tt.label)
		}
		if got := value(families, tt.metric, labels...); got != tt.want {
			t.Errorf("%s of %s %s is %v, not %v", tt.metric, tt.certificate, tt.label, got, tt.want)
		}
	}
	left := value(families, "certificate_not_after_timestamp_seconds", "certificate=legacy") - float64(time.Now().Unix())
	if days := left / day.Seconds(); days < -3.1 || days > -2.9 {
		t.Errorf("legacy ends in %v days", days)
	}
	if len(families["dvagent_certificate_error"].Metric) != 25 {
		t.Error("there is not one error for each certificate")
	}
}

// An order against the sandbox shows in the metrics, and a scrape calls nothing.
func TestMetricsCountCallsOrdersAndInstances(t *testing.T) {
	s, err := sandbox.Start(sandbox.Options{CASAPI: sandbox.API2018, Instances: 3, IssueAfter: 50 * time.Millisecond, Propagation: []time.Duration{time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h := newHost(t)
	fault, err := sandbox.ParseFault("throttle:DescribeDomains:1")
	h.must(err, s.SetFaults(fault))
	path := filepath.Join(h.dir, "real.toml")
	h.must(os.WriteFile(path, []byte(s.AgentConfig(h.state())), 0o600))
	cfg, err := config.Load(path)
	h.must(err)
	a, err := agent.New(cfg, nil, h.board.Observe)
	h.must(err)
	h.service = agent.NewService(a, nil, state.Caller{Who: "test", LockWait: time.Second})
	url := h.open()
	if got := value(scrape(t, url), "account_spare_instances"); got != -1 {
		t.Errorf("before the account was asked, %v instances are spare", got)
	}
	outcomes, err := a.Renew(t.Context(), agent.Renewal{Timeout: 30 * time.Second, Caller: state.Caller{Who: "test"}})
	if err != nil || state.Worst(outcomes) != state.Served {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	h.service = agent.NewService(a, nil, state.Caller{Who: "test", LockWait: time.Second}) // its glance is a new one
	url = h.open()
	s.ClearHistory()
	families := scrape(t, url)
	if n := len(s.History()); n > 0 {
		t.Errorf("a scrape made %d calls", n)
	}
	for _, tt := range []struct {
		metric string
		labels []string
		want   float64
	}{
		{"orders_opened_total", nil, 1},
		{"orders_ended_total", []string{"outcome=issued"}, 1},
		{"orders_ended_total", []string{"outcome=abandoned"}, 0},
		{"account_spare_instances", []string{"account=main"}, 2},
		{"account_coming_renewals", []string{"account=main"}, 0},
		{"api_request_duration_seconds", []string{"account=main", "api=CAS", "operation=CreateDVOrderAudit"}, 1},
		{"api_request_duration_seconds", []string{"api=AliDNS", "operation=DescribeDomains"}, 2},
		{"api_errors_total", []string{"operation=DescribeDomains", "kind=throttled"}, 1},
		{"config_last_reload_successful", nil, 1},
		{"build_info", []string{"version=1.2.3", "revision=0123abcd"}, 1},
	} {
		if got := value(families, tt.metric, tt.labels...); got != tt.want {
			t.Errorf("%s %v is %v, not %v", tt.metric, tt.labels, got, tt.want)
		}
	}
}

func TestPromtoolFindsNothingToImprove(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed: the metrics' names were not checked")
	}
	text, _ := look(t, newHost(t, everyState()...).open()+"/metrics")
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheSpareInstancesOfAnAccountThatIsGoneAreGone(t *testing.T) {
	h := newHost(t, past{name: "www", age: day, left: 99 * day})
	h.board.noteSpare(state.Spare{Account: "main", Instances: state.Spares{{}: 2}})
	h.board.noteSpare(state.Spare{Account: "removed", Instances: state.Spares{{}: 3}})
	families := scrape(t, h.open())
	if got := value(families, "account_spare_instances", "account=main"); got != 2 {
		t.Errorf("of the account that is configured: %v", got)
	}
	if got := value(families, "account_spare_instances", "account=removed"); got != -1 {
		t.Errorf("of the one that was removed: %v", got)
	}
}
