package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/view"
	"dvagent/internal/line"
	"dvagent/internal/terminal"
	"dvagent/internal/words"
)

// detail shows everything that is known of one certificate.
func (t *statusPrinter) detail(c view.CertificateStatus) {
	t.WriteString(t.Paint(terminal.Bold, c.Name) + "  " + t.Paint(stateStyle(c.State), t.Put(string(c.State))) + "\n")
	t.field("next", nextCell(c))
	t.field("names", strings.Join(c.Domains, ", "))
	if c.Account != "" {
		t.field("account", c.Account)
	}
	if c.API != nil {
		t.field("api", apiCell(*c.API))
	}
	t.field("not after", moment(c.NotAfter, t.now))
	t.field("renews at", moment(c.RenewsAt, t.now))
	if c.Instance != "" {
		t.field("instance", instanceCell(c, t.now))
	}
	if c.Package != "" {
		t.field("package", packageCell(c, t.now))
	}
	for _, warning := range c.Warnings {
		t.field("warning", warning)
	}
	t.field("leaf", cmp.Or(c.Fingerprint, "-"))
	t.field("issuer", issuerCell(c))
	t.versions(c)
	t.deployments(c)
	t.upload(c.Upload)
	if c.Order == nil && c.Follows {
		t.heading("follows: no order of its own")
	}
	t.order(c.Order)
	t.lastOrder(c.LastOrder)
	if c.FollowError != "" || c.FleetError != "" || c.HookError != "" || len(c.FailedHooks) > 0 || c.Error != "" {
		t.heading("troubles")
		t.troubles(view.CertificateStatus{Name: c.Name, Error: c.Error, FollowError: c.FollowError, FleetError: c.FleetError, HookError: c.HookError, FailedHooks: c.FailedHooks})
	}
}

// apiCell says which version of CAS's API the account speaks, and how that is
// known.
func apiCell(a view.API) string {
	if a.Version == "" {
		return "auto: the first order finds it out"
	}
	text := "CAS " + a.Version
	if a.Announced != "" {
		text += " (" + a.Announced + ")"
	}
	if a.Configured != a.Version {
		text = a.Configured + ": the latest order is of " + text
	}
	return text
}

// issuerCell names who signed the current version, and whether clients are likely
// to know them.
func issuerCell(c view.CertificateStatus) string {
	text := cmp.Or(c.Issuer, "-")
	if c.Untrusted != "" {
		text += "; " + c.Untrusted
	}
	return text
}

func instanceCell(c view.CertificateStatus, now time.Time) string {
	if c.SubscriptionEnds.IsZero() {
		return c.Instance
	}
	return c.Instance + ", a subscription until " + day(c.SubscriptionEnds, now)
}

func packageCell(c view.CertificateStatus, now time.Time) string {
	if c.Left == nil {
		return c.Package + "; the next order shows what is left"
	}
	return c.Package + ", with " + words.Count(c.Left.Certificates, "certificate") + " left on " + day(c.Left.At, now)
}

func (t *statusPrinter) heading(text string) {
	t.WriteString("\n" + t.Paint(terminal.Bold, t.Put(text)) + "\n")
}

// field shows a name and, beside it, a text that may wrap.
func (t *statusPrinter) field(name, text string) { t.under("", name, text) }

func (t *statusPrinter) under(indent, name, text string) {
	const at = 13 // where the text begins
	name = indent + t.Put(name)
	lead := "  " + name + strings.Repeat(" ", max(at-2-terminal.Width(name), 1))
	t.WriteString(t.Paragraph(terminal.Cell{Text: lead, Style: terminal.Faint}, terminal.Cell{Text: line.Of(text)}))
}

func (t *statusPrinter) versions(c view.CertificateStatus) {
	if len(c.Versions) == 0 {
		return
	}
	t.heading("versions, newest first")
	for _, v := range c.Versions {
		mark := ""
		switch {
		case v.Current && c.Held:
			mark = ", current and held"
		case v.Current:
			mark = ", current"
		}
		t.paint(terminal.Plain, fmt.Sprintf("  %s  not after %s", v.ID, day(v.NotAfter, t.now))+mark)
	}
}

func (t *statusPrinter) deployments(c view.CertificateStatus) {
	if len(c.Deployments) > 0 {
		t.heading("deployments")
	}
	for _, d := range c.Deployments {
		t.WriteString(t.Paragraph(terminal.Cell{Text: "  "}, terminal.Cell{Text: line.Of(strings.Join(d.Paths, ", "))}))
		t.under("  ", "version", cmp.Or(d.Version, "none yet"))
		if d.Keeps != "" {
			t.under("  ", "keeps", d.Keeps)
		}
		for _, lack := range d.Lacks {
			t.under("  ", "lacks", lack)
		}
		for _, probe := range d.Probes {
			t.under("  ", "probe", probe)
		}
		for _, warning := range d.Warnings {
			t.under("  ", "warning", warning)
		}
		t.trouble("  ", d.Error, d.Hint, d.RetryAt)
		t.failedCommand("    "+d.Target, d.FailedCommand)
	}
}

func (t *statusPrinter) upload(u *view.UploadStatus) {
	if u == nil {
		return
	}
	t.heading("upload")
	t.field("version", cmp.Or(u.Version, "none yet"))
	if u.Version != "" {
		t.field("name", u.Name)
		t.field("CertId", strconv.FormatInt(u.CertID, 10))
		t.field("CertIdentifier", cmp.Or(u.CertIdentifier, "-"))
	}
	switch {
	case u.Begun:
		t.field("owed", "the current version; it was sent, and no answer is known")
	case u.Owed:
		t.field("owed", "the current version")
	}
	t.trouble("", u.Error, u.Hint, u.RetryAt)
}

// trouble shows why something failed, what to do, and when it is tried again.
func (t *statusPrinter) trouble(indent, err, hint string, retry time.Time) {
	if err == "" {
		return
	}
	t.under(indent, "error", err)
	if hint != "" {
		t.under(indent, "hint", hint)
	}
	if !retry.IsZero() {
		t.under(indent, "again at", moment(retry, t.now))
	}
}

func (t *statusPrinter) order(o *view.OrderStatus) {
	if o == nil {
		return
	}
	t.heading("open order")
	t.field("reason", o.Reason)
	t.source(o.Instance, o.Package, o.ServerOrder, "none yet")
	t.field("opened", moment(o.OpenedAt, t.now))
	t.field("steps", stepsOf(o))
	if o.WaitsFor != "" {
		t.field("waits for", o.WaitsFor)
	}
	if o.ServerSays != "" {
		t.field("server", "calls it "+o.ServerSays)
	}
	t.trouble("", o.Error, o.Hint, o.RetryAt)
	t.history(o.History)
}

// source shows what an order is of, and its number at the server, where there is
// one.
func (t *statusPrinter) source(instance, product, number, none string) {
	if product != "" {
		t.field("package", product)
	} else {
		t.field("instance", cmp.Or(instance, none))
	}
	if number != "" {
		t.field("order", number)
	}
}

// stepsOf lists all steps and marks the current one.
func stepsOf(o *view.OrderStatus) string {
	var steps []string
	at := slices.Index(order.Steps(), order.Step(o.Step))
	for i, step := range order.Steps() {
		switch {
		case i < at:
			steps = append(steps, string(step)+" done")
		case i == at:
			steps = append(steps, "now "+string(step))
		default:
			steps = append(steps, string(step))
		}
	}
	return strings.Join(steps, ", ")
}

func (t *statusPrinter) lastOrder(o *view.LastOrder) {
	if o == nil {
		return
	}
	t.heading("last order: " + o.Outcome)
	t.field("reason", o.Reason)
	t.source(o.Instance, o.Package, o.ServerOrder, "none")
	t.history(o.History)
}

func (t *statusPrinter) history(events []view.OrderEvent) {
	for _, e := range events {
		stamp := "  " + words.Second(e.At) + "  "
		t.WriteString(t.Paragraph(terminal.Cell{Text: stamp, Style: terminal.Faint}, terminal.Cell{Text: line.Of(e.Text)}))
	}
}
