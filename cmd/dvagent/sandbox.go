package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/hint"

	"github.com/spf13/cobra"

	"dvagent/internal/atomicfile"
	"dvagent/internal/sandbox"
)

func (c *cli) sandboxCommand() *cobra.Command {
	var o sandbox.Options
	var specs sandboxSpecs
	var configOut string
	var force bool
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Stand in for Alibaba Cloud on this machine",
		Long:  "Loopback CAS (2018-07-13 and 2020-04-07), AliDNS, name servers and CA. When it is ready it prints one line of JSON, and runs until it is interrupted.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := specs.read(&o); err != nil {
				return usageError{err}
			}
			if err := cmp.Or(checkSandbox(o), checkConfigOut(configOut, force)); err != nil {
				return usageError{err}
			}
			for _, count := range []*int{&o.Instances, &o.Names, &o.Wildcards} {
				if *count == 0 {
					*count = -1 // asked for none
				}
			}
			if o.IssueAfter == 0 {
				o.IssueAfter = -1 // at once
			}
			s, err := sandbox.Start(o)
			if err != nil {
				return usageError{err}
			}
			defer s.Close()
			if configOut != "" {
				if err := writeAgentConfig(s, configOut); err != nil {
					return err
				}
			}
			if err := json.NewEncoder(c.stdout).Encode(s.Ready()); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&configOut, "config-out", "", "write an agent.toml that uses this sandbox to `FILE`")
	flags.BoolVar(&force, "force", false, "with --config-out: replace the file that is there")
	flags.StringArrayVar(&specs.faults, "fault", nil, "a `KIND[:ACTION[:N]]` of fault; may be given again")
	flags.Uint64Var(&o.Seed, "seed", 1, "chooses among random faults")
	addSandboxServers(cmd, &o)
	addSandboxAccount(cmd, &o, &specs)
	return cmd
}

// addSandboxServers adds the flags of what listens, answers and issues.
func addSandboxServers(cmd *cobra.Command, o *sandbox.Options) {
	flags := cmd.Flags()
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "`ADDRESS` of CAS and AliDNS")
	flags.StringVar(&o.DNS, "dns", "127.0.0.1:0", "`ADDRESS` of the first name server")
	flags.StringVar(&o.Management, "management", "127.0.0.1:0", "`ADDRESS` of the management port")
	flags.IntVar(&o.HTTPPort, "http-port", 80, "the `PORT` of loopback addresses where the CA asks for a file")
	flags.IntVar(&o.HTTPSPort, "https-port", 443, "the `PORT` where it goes on when it is redirected to HTTPS")
	flags.IntVar(&o.NameServers, "nameservers", 2, "how many name servers")
	flags.DurationSliceVar(&o.Propagation, "propagation", nil, "until a change shows at the first, second, … name server (300ms,900ms when not given)")
	flags.StringVar(&o.CASAPI, "cas-api", sandbox.BothAPIs, "the `VERSION` of CAS that there is: both, 2018-07-13 or 2020-04-07")
	durationVar(cmd, &o.IssueAfter, "issue-after", time.Second, "time between the visible record and the certificate; 0 is at once")
	durationVar(cmd, &o.ReissueAfter, "reissue-after", 0, "time after which an instance with AutoReissue renews by itself; 0 is never")
	durationVar(cmd, &o.Lifetime, "lifetime", 200*24*time.Hour, "lifetime of the certificates")
}

// addSandboxAccount adds the flags of what the account holds.
func addSandboxAccount(cmd *cobra.Command, o *sandbox.Options, specs *sandboxSpecs) {
	flags := cmd.Flags()
	flags.StringArrayVar(&o.Zones, "zone", []string{"example.com"}, "a hosted `ZONE`; may be given again")
	flags.IntVar(&o.Instances, "instances", 5, "how many paid DV instances")
	flags.IntVar(&o.TestInstances, "test-instances", 0, "how many free ones for tests, in 2020-04-07 alone")
	flags.IntVar(&o.Names, "names", 5, "names without a wildcard that a paid instance is for, in 2020-04-07")
	flags.IntVar(&o.Wildcards, "wildcards", 5, "wildcards that a paid instance is for, in 2020-04-07")
	durationVar(cmd, &o.Term, "term", 365*24*time.Hour, "how long a paid instance's subscription lasts, in 2020-04-07")
	flags.StringArrayVar(&specs.packages, "package", nil, "a `CODE:N` of a package of N certificates, in 2020-04-07; may be given again")
	flags.StringArrayVar(&specs.contacts, "contact", nil, "a `NAME,MOBILE,EMAIL` of the account; may be given again, an empty one is none (the one of --config-out when not given)")
}

// mostNameServers have a port each, of UDP and of TCP.
const mostNameServers = 100

// checkSandbox refuses what sandbox.Options would take as not given, or not use.
func checkSandbox(o sandbox.Options) error {
	switch {
	case o.NameServers < 1:
		return errors.New("--nameservers must be at least 1")
	case len(o.Propagation) > o.NameServers:
		return fmt.Errorf("--propagation has %d times for %d name servers", len(o.Propagation), o.NameServers)
	case o.Instances < 0:
		return errors.New("--instances must not be negative")
	case o.IssueAfter < 0:
		return errors.New("--issue-after must not be negative")
	case o.NameServers > mostNameServers:
		return fmt.Errorf("--nameservers must be at most %d", mostNameServers)
	case slices.ContainsFunc(o.Propagation, func(d time.Duration) bool { return d < 0 }):
		return errors.New("--propagation must not be negative")
	case min(o.TestInstances, o.Names, o.Wildcards) < 0:
		return errors.New("--test-instances, --names and --wildcards must not be negative")
	case o.Lifetime <= 0 || o.Term <= 0:
		return errors.New("--lifetime and --term must be longer than nothing")
	}
	return nil
}

// sandboxSpecs are the flags whose values are more than a text or a number.
type sandboxSpecs struct {
	faults, packages, contacts []string
}

func (s sandboxSpecs) read(o *sandbox.Options) (err error) {
	if o.Faults, err = parseEach(s.faults, sandbox.ParseFault); err != nil {
		return err
	}
	if o.Packages, err = parseEach(s.packages, sandbox.ParsePackage); err != nil {
		return err
	}
	if len(s.contacts) == 1 && s.contacts[0] == "" {
		o.Contacts = []sandbox.Contact{}
		return nil
	}
	o.Contacts, err = parseEach(s.contacts, sandbox.ParseContact)
	return err
}

// parseEach is nil for no texts.
func parseEach[T any](texts []string, parse func(string) (T, error)) ([]T, error) {
	var values []T
	for _, text := range texts {
		value, err := parse(text)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

// addFaults adds the list of faults to the sandbox's help. To write it takes longer
// than many a start of the program.
func addFaults(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() == "sandbox" {
			cmd.Long += "\n\nFaults (--fault KIND[:ACTION[:N]], N being how often):\n" + faultHelp()
		}
	}
}

func faultHelp() string {
	var help strings.Builder
	kinds, width := sandbox.FaultKinds(), 0
	for _, kind := range kinds {
		width = max(width, len(kind.Name))
	}
	for _, kind := range kinds {
		fmt.Fprintf(&help, "  %-*s %s\n", width, kind.Name, kind.Description)
	}
	return help.String()
}

// checkConfigOut refuses to replace a file unless that was asked for.
func checkConfigOut(path string, force bool) error {
	if path == "" || force {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return hint.Add(fmt.Errorf("--config-out: %s is there already", path), "--force replaces it")
	}
	return nil
}

// writeAgentConfig writes a configuration whose state directory is beside it.
func writeAgentConfig(s *sandbox.Sandbox, path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	text := s.AgentConfig(filepath.Join(filepath.Dir(absolute), "state"))
	file := atomicfile.File{Path: absolute, Data: []byte(text), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}
	if err := atomicfile.Write(file); err != nil {
		return usageError{fmt.Errorf("--config-out: %w", err)}
	}
	return nil
}
