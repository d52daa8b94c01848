package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/check"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/cmd/dvagent/daemon"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

// checks are the flags of check.
type checks struct {
	online, writeTest, notifyTest bool
	names                         []string // none: every certificate
	quiet, asJSON                 bool
	trace                         string
	caller                        state.Caller
}

func (c *cli) checkCommand() *cobra.Command {
	var wanted checks
	cmd := &cobra.Command{
		Use:               "check [NAME...]",
		Short:             "Check the configuration, the host and, with --online, the account",
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			wanted.names = names
			if err := wanted.refuse(cmd.Flags().Changed); err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("trace") {
				return c.trace(cmd, wanted.trace)
			}
			return c.check(cmd, wanted)
		},
	}
	flags := cmd.Flags()
	flags.String("as", "", "look as this `USER`, in place of the one whose the state directory is; root can")
	flags.BoolVar(&wanted.online, "online", false, "also check credentials, permissions, zones, webroots and spare instances")
	flags.BoolVar(&wanted.quiet, "quiet", false, "print only what fails or is warned of")
	flags.BoolVar(&wanted.asJSON, "json", false, "print JSON")
	flags.BoolVar(&wanted.writeTest, "write-test", false, "with --online: add a TXT record to each zone and delete it")
	flags.BoolVar(&wanted.notifyTest, "notify-test", false, "also send a message to each channel of [[notify]]")
	flags.StringVar(&wanted.trace, "trace", "", "with --online: only show each question and answer on the way to the challenge of `NAME`, a certificate or a DNS name")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("trace", c.certificateNames))
	wantsLock(cmd, &wanted.caller)
	return cmd
}

// refuse fails where one flag would make another do nothing.
func (wanted checks) refuse(given func(flag string) bool) error {
	switch {
	case (given("trace") || wanted.writeTest) && !wanted.online:
		return hint.Add(errors.New("--trace and --write-test ask servers"), "add --online")
	case given("trace") && (wanted.writeTest || wanted.notifyTest):
		return errors.New("--trace only looks: give --write-test and --notify-test in a call of their own")
	case given("trace") && (wanted.quiet || wanted.asJSON || len(wanted.names) > 0):
		return errors.New("--trace shows a conversation: leave --quiet, --json and other names out")
	case given("lock-wait") && !wanted.online:
		return errors.New("--lock-wait is for --online alone: no other check waits for another agent")
	}
	return nil
}

func (c *cli) check(cmd *cobra.Command, wanted checks) error {
	host, accounts, err := c.open()
	if err != nil {
		return err
	}
	byFile := func(certificate config.Certificate) bool { return certificate.Webroot != "" }
	if wanted.writeTest || wanted.online && slices.ContainsFunc(host.Config.Certificates, byFile) {
		if err := host.Dir.Prepare(); err != nil {
			return usageError{err}
		}
	}
	names, err := host.Selected(wanted.names)
	if err != nil {
		return err
	}
	here := check.New(host, accounts).Only(names)
	findings := []check.Finding{{Subject: "configuration", OK: fmt.Sprintf("%s, certificates: %d", host.Config.Path, len(host.Config.Certificates))}}
	findings = append(findings, here.Host(cmd.Context(), time.Now())...)
	findings = append(findings, here.Attended(daemon.Service(cmd.Context(), host.Dir) != nil, time.Now()))
	if wanted.online {
		findings = append(findings, here.Online(cmd.Context())...)
		tried, failed := here.Files(cmd.Context(), wanted.caller)
		findings, err = append(findings, tried...), failed
	}
	if wanted.notifyTest {
		findings = append(findings, here.Channels(cmd.Context())...)
	}
	if wanted.writeTest {
		written, failed := here.WriteTest(cmd.Context(), wanted.caller)
		findings, err = append(findings, written...), cmp.Or(err, failed)
	}
	return cmp.Or(c.printFindings(wanted, findings), err, failedOf(findings))
}

// trace prints each step of the DNS walk to a challenge's name. Whatever the
// servers answer is a result; it fails only when there was no server to ask.
func (c *cli) trace(cmd *cobra.Command, target string) error {
	host, accounts, err := c.open()
	if err != nil {
		return err
	}
	walk, err := check.New(host, accounts).Trace(cmd.Context(), target)
	if walk.Name == "" {
		return err
	}
	if err := c.printWalk(walk); err != nil {
		return err
	}
	if err == nil {
		c.printf("\nverdict: %s\n", line.Of(walk.String()))
	}
	return err
}

// printVisits shows each request to the addresses of a host.
func (c *cli) printVisits(walk check.Walk) error {
	rows := [][]string{{"file", "http://" + walk.Name + " (" + walk.Why + ")"}, {"webroot", walk.Webroot}}
	if walk.File != "" {
		rows = append(rows, []string{"content", fmt.Sprintf("%q", walk.File)})
	}
	if err := c.table(rows...); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout)
	rows = [][]string{{"TIME", "ADDRESS", "REQUEST", "ANSWER"}}
	for _, visit := range walk.Visits {
		for _, hop := range visit.Hops {
			rows = append(rows, []string{milliseconds(hop.Duration), visit.Address, "GET " + hop.URL, hop.Answer})
		}
	}
	return c.table(rows...)
}

func (c *cli) printWalk(walk check.Walk) error {
	if walk.Webroot != "" {
		return c.printVisits(walk)
	}
	hosted := walk.Zone
	if walk.ZoneErr != nil {
		hosted = "none: " + walk.ZoneErr.Error()
	}
	rows := [][]string{
		{"name", walk.Name + " (" + walk.Why + ")"},
		{"zone by account " + walk.Account, hosted},
		{"zone by DNS", orDash(walk.Cut)},
	}
	if walk.Value != "" {
		rows = append(rows, []string{"value", fmt.Sprintf("%q", walk.Value)})
	}
	if err := c.table(rows...); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout)
	rows = [][]string{{"TIME", "SERVER", "OVER", "QUESTION", "ANSWER", "RECORDS"}}
	for _, x := range walk.Exchanges {
		rows = append(rows, []string{milliseconds(x.Duration), x.Server + " (" + x.Address + ")", x.Network, x.Question, x.Answer,
			strings.Join(x.Records, "; ")})
	}
	if err := c.table(rows...); err != nil {
		return err
	}
	for _, cname := range walk.CNAMEs {
		follows := "which no delegate of [dns] allows: it is not followed"
		if cname.Zone != "" {
			follows = "which delegate allows, in zone " + cname.Zone
		}
		c.printf("CNAME at %s: leads to %s, %s\n", line.Of(cname.Name), line.Of(cname.Target), follows)
	}
	return nil
}

// milliseconds shows tenths only of short times.
func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
