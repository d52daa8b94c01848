package dashboard

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/agent/view"
)

// counts are the metrics of what has happened since the service was started.
type counts struct {
	latency           *prometheus.HistogramVec
	failures          *prometheus.CounterVec
	opened            prometheus.Counter
	ended             *prometheus.CounterVec
	reloadOK, readyAt prometheus.Gauge
}

func newCounts(registry *prometheus.Registry, build Build) *counts {
	c := &counts{
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "dvagent_api_request_duration_seconds",
			Help:    "Round trips to Alibaba Cloud; the count is that of the requests, a retry being one of its own.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"account", "api", "operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dvagent_api_errors_total",
			Help: "Round trips to Alibaba Cloud that failed, by kind."}, []string{"account", "api", "operation", "kind"}),
		opened: prometheus.NewCounter(prometheus.CounterOpts{Name: "dvagent_orders_opened_total",
			Help: "Orders that this process opened."}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dvagent_orders_ended_total",
			Help: "Orders that this process saw end, by outcome."}, []string{"outcome"}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dvagent_config_last_reload_successful",
			Help: "Whether the configuration on disk could be read; if not, the one before is at work."}),
		readyAt: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dvagent_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration at work was read."}),
	}
	for _, outcome := range []order.Outcome{order.Issued, order.LetGo, order.KeyLost, order.Withdrawn, order.Abandoned, order.HandedOn} {
		c.ended.WithLabelValues(string(outcome))
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dvagent_build_info", Help: "What program this is; always 1.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Commit, "goversion": build.Go}})
	info.Set(1)
	registry.MustRegister(c.latency, c.failures, c.opened, c.ended, c.reloadOK, c.readyAt, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return c
}

func (c *counts) call(call state.Call) {
	c.latency.WithLabelValues(call.Account, call.API, call.Operation).Observe(call.Duration.Seconds())
	if call.Failure != "" {
		c.failures.WithLabelValues(call.Account, call.API, call.Operation, call.Failure).Inc()
	}
}

func (c *counts) order(change state.OrderChange) {
	if change == state.OrderOpened {
		c.opened.Inc()
		return
	}
	c.ended.WithLabelValues(string(change)).Inc()
}

func (c *counts) reloaded(r reload) {
	c.reloadOK.Set(number(r.err == nil))
	if r.err == nil {
		c.readyAt.Set(float64(r.at.Unix()))
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dvagent_"+name, help, labels, nil)
}

// The metrics of how everything was last seen.
var (
	notBeforeDesc = describe("certificate_not_before_timestamp_seconds", "When the current leaf becomes valid.", "certificate")
	notAfterDesc  = describe("certificate_not_after_timestamp_seconds", "When the current leaf ends.", "certificate")
	renewsAtDesc  = describe("certificate_renews_at_timestamp_seconds", "When the renewal is due.", "certificate")
	endsDesc      = describe("certificate_subscription_end_timestamp_seconds", "When the subscription of the certificate's instance ends; absent where there is none.", "certificate")
	stepDesc      = describe("certificate_order_step", "The step of the open order; absent without one.", "certificate", "step")
	errorDesc     = describe("certificate_error", "Whether the last try failed, and of what: state, stopped, instance, order, deployment, upload, hook; empty when it did not.", "certificate", "cause")
	deployedDesc  = describe("certificate_deployed", "Whether every target was last seen to hold the current version; absent without targets.", "certificate")
	servedDesc    = describe("certificate_served", "Whether every probe last showed the current version; absent without probes.", "certificate")
	heldDesc      = describe("certificate_held", "Whether a version is held that an operator rolled back to.", "certificate")
	comingDesc    = describe("account_coming_renewals", "Certificates that want an instance within [limits] forecast.", "account")
	spareDesc     = describe("account_spare_instances", "Paid DV instances that nobody claimed, as last listed; absent until then.", "account")
	unmetDesc     = describe("account_unmet_renewals", "Coming renewals that none of the spare instances lasts for; absent until those were listed.", "account")
	leftDesc      = describe("package_certificates_left", "Certificates that a package had left when an order last saw it, without that order; absent until then.", "account", "package")
	wantedDesc    = describe("package_coming_renewals", "Certificates that want one of the package within [limits] forecast.", "account", "package")
	recordsDesc   = describe("owed_records", "Validation records and files of ours that may be in place.")
	orphansDesc   = describe("orphaned_orders", "Open orders of certificates that are not configured.")
	movedDesc     = describe("scheduler_last_moved_timestamp_seconds", "When the scheduler last moved.")
	passDesc      = describe("last_pass_failed", "Whether the last pass failed as a whole; nothing is renewed meanwhile.")
)

// seen collects how everything was last seen, at each scrape.
type seen struct {
	service   Service
	dashboard *Dashboard
}

func (seen) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{notBeforeDesc, notAfterDesc, renewsAtDesc, endsDesc, stepDesc, errorDesc,
		deployedDesc, servedDesc, heldDesc, comingDesc, spareDesc, unmetDesc, leftDesc, wantedDesc, recordsDesc, orphansDesc, movedDesc, passDesc} {
		out <- desc
	}
}

func (s seen) Collect(out chan<- prometheus.Metric) {
	glance := s.service.Glance()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for i := range glance.Certificates {
		collect(&glance.Certificates[i], gauge)
	}
	for account, forecast := range glance.Coming {
		gauge(comingDesc, float64(forecast.Coming()), account)
		if spare, known := s.dashboard.spareOf(account); known {
			gauge(spareDesc, float64(spare.instances.Count()), account)
			gauge(unmetDesc, float64(forecast.Unmet(spare.instances)), account)
		}
	}
	for _, p := range glance.Packages {
		gauge(wantedDesc, float64(p.Coming), p.Account, p.Product)
		if p.Left != nil {
			gauge(leftDesc, float64(p.Left.Certificates), p.Account, p.Product)
		}
	}
	gauge(recordsDesc, float64(len(glance.Records)))
	gauge(orphansDesc, float64(len(glance.Orphans)))
	gauge(passDesc, number(glance.PassError != nil))
	gauge(movedDesc, float64(glance.Alive.Unix()))
}

func collect(c *view.Seen, gauge func(*prometheus.Desc, float64, ...string)) {
	if !c.NotAfter.IsZero() {
		gauge(notBeforeDesc, float64(c.NotBefore.Unix()), c.Name)
		gauge(notAfterDesc, float64(c.NotAfter.Unix()), c.Name)
	}
	if !c.RenewsAt.IsZero() {
		gauge(renewsAtDesc, float64(c.RenewsAt.Unix()), c.Name)
	}
	if !c.SubscriptionEnds.IsZero() {
		gauge(endsDesc, float64(c.SubscriptionEnds.Unix()), c.Name)
	}
	if c.Order.Open() {
		gauge(stepDesc, 1, c.Name, c.Order.Step)
	}
	cause := causeOf(c)
	gauge(errorDesc, number(cause != ""), c.Name, cause)
	if len(c.Deployments) > 0 {
		gauge(deployedDesc, number(c.Deployed), c.Name)
	}
	if c.Probed {
		gauge(servedDesc, number(c.Served), c.Name)
	}
	gauge(heldDesc, number(c.Held), c.Name)
}

// causeOf says what the last try failed at, in one of a few words, or "".
func causeOf(c *view.Seen) string {
	switch o := c.Order; {
	case c.Error != "":
		return "state"
	case o.Open() && o.Stopped:
		return "stopped"
	case o.Open() && o.WantsInstance():
		return "instance"
	case o.Open() && o.Error != "":
		return "order"
	case c.FollowError != "":
		return "follow"
	case c.FleetError != "":
		return "fleet"
	case failedDeployment(c) != nil:
		return "deployment"
	case c.Upload.Failed():
		return "upload"
	case c.HookError != "":
		return "hook"
	}
	return ""
}

// failedDeployment is the first one whose last try failed, or nil.
func failedDeployment(c *view.Seen) *view.DeploymentStatus {
	for i := range c.Deployments {
		if c.Deployments[i].Error != "" {
			return &c.Deployments[i]
		}
	}
	return nil
}
