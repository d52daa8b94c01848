package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/check"
	"dvagent/agent/state"
	"dvagent/cmd/dvagent/daemon"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

// checks are the flags of check.
type checks struct {
	online, writeTest, notifyTest bool
	trace                         string
	caller                        state.Caller
}

func (c *cli) checkCommand() *cobra.Command {
	var wanted checks
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the host and, with --online, the account",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
	flags.BoolVar(&wanted.online, "online", false, "also check credentials, permissions, zones and spare instances")
	flags.BoolVar(&wanted.writeTest, "write-test", false, "with --online: add a TXT record to each zone and delete it")
	flags.BoolVar(&wanted.notifyTest, "notify-test", false, "also send a message to each channel of [[notify]]")
	flags.StringVar(&wanted.trace, "trace", "", "with --online: only show each DNS question and answer on the way to the challenge of `NAME`, a certificate or a DNS name")
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
	case given("lock-wait") && !wanted.writeTest:
		return errors.New("--lock-wait is for --write-test alone: no other check waits for another agent")
	}
	return nil
}

func (c *cli) check(cmd *cobra.Command, wanted checks) error {
	host, accounts, err := c.open()
	if err != nil {
		return err
	}
	if wanted.writeTest {
		if err := host.Dir.Prepare(); err != nil {
			return usageError{err}
		}
	}
	fmt.Fprintf(c.stdout, "ok    configuration: %s, certificates: %d\n", host.Config.Path, len(host.Config.Certificates))
	here := check.New(host, accounts)
	running := daemon.Service(cmd.Context(), host.Dir) != nil
	findings := append(here.Host(cmd.Context(), time.Now()), here.Attended(running, time.Now()))
	if wanted.online {
		findings = append(findings, here.Online(cmd.Context())...)
	}
	if wanted.notifyTest {
		findings = append(findings, here.Channels(cmd.Context())...)
	}
	failed := c.printFindings(findings)
	if !wanted.writeTest {
		return failed
	}
	written, err := here.WriteTest(cmd.Context(), wanted.caller)
	if unwritten := c.printFindings(written); failed == nil {
		failed = unwritten
	}
	if err != nil {
		return err
	}
	return failed
}

func (c *cli) printFindings(findings []check.Finding) error {
	failed := false
	for _, f := range findings {
		switch {
		case f.Err == nil:
			fmt.Fprintf(c.stdout, "ok    %s: %s\n", f.Subject, line.Of(f.OK))
			continue
		case f.Warning:
			fmt.Fprintf(c.stdout, "warn  %s: %s", f.Subject, line.Of(f.Err.Error()))
		default:
			failed = true
			fmt.Fprintf(c.stdout, "FAIL  %s: %s", f.Subject, line.Of(f.Err.Error()))
		}
		if advice := hint.Of(f.Err); advice != "" {
			fmt.Fprintf(c.stdout, " (hint: %s)", line.Of(advice))
		}
		fmt.Fprintln(c.stdout)
	}
	if failed {
		return exitError{exitFailed}
	}
	return nil
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
		fmt.Fprintf(c.stdout, "\nverdict: %s\n", line.Of(walk.String()))
	}
	return err
}

func (c *cli) printWalk(walk check.Walk) error {
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
		fmt.Fprintf(c.stdout, "CNAME at %s: leads to %s, %s\n", line.Of(cname.Name), line.Of(cname.Target), follows)
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
