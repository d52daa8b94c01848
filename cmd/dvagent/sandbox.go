package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/internal/atomicfile"
	"dvagent/internal/sandbox"
)

func (c *cli) sandboxCommand() *cobra.Command {
	var o sandbox.Options
	var faults []string
	var configOut string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Stand in for Alibaba Cloud on this machine",
		Long:  "Loopback CAS, AliDNS, name servers and CA. When it is ready it prints one line of JSON, and runs until it is interrupted.\n\nFaults (--fault KIND[:ACTION[:N]], N being how often):\n" + faultHelp(),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, spec := range faults {
				fault, err := sandbox.ParseFault(spec)
				if err != nil {
					return usageError{err}
				}
				o.Faults = append(o.Faults, fault)
			}
			if err := checkSandbox(o); err != nil {
				return usageError{err}
			}
			if o.Instances == 0 {
				o.Instances = -1 // asked for none
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
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "`ADDRESS` of CAS and AliDNS")
	flags.StringVar(&o.DNS, "dns", "127.0.0.1:0", "`ADDRESS` of the first name server")
	flags.StringVar(&o.Management, "management", "127.0.0.1:0", "`ADDRESS` of the management port")
	flags.StringArrayVar(&o.Zones, "zone", []string{"example.com"}, "a hosted `ZONE`; may be given again")
	flags.IntVar(&o.NameServers, "nameservers", 2, "how many name servers")
	flags.IntVar(&o.Instances, "instances", 5, "how many paid DV instances")
	flags.DurationVar(&o.IssueAfter, "issue-after", time.Second, "time between the visible record and the certificate")
	flags.DurationVar(&o.Lifetime, "lifetime", 200*24*time.Hour, "of the certificates")
	flags.DurationSliceVar(&o.Propagation, "propagation", nil, "until a change shows at the first, second, … name server (300ms,900ms when not given)")
	flags.StringArrayVar(&faults, "fault", nil, "a `KIND[:ACTION[:N]]` of fault; may be given again")
	flags.Uint64Var(&o.Seed, "seed", 1, "chooses among random faults")
	flags.StringVar(&configOut, "config-out", "", "write an agent.toml that uses this sandbox to `FILE`")
	return cmd
}

// checkSandbox refuses what sandbox.Options would take as not given, or not use.
func checkSandbox(o sandbox.Options) error {
	switch {
	case o.NameServers < 1:
		return errors.New("--nameservers must be at least 1")
	case len(o.Propagation) > o.NameServers:
		return fmt.Errorf("--propagation has %d times for %d name servers", len(o.Propagation), o.NameServers)
	case o.Instances < 0:
		return errors.New("--instances must not be negative")
	case o.IssueAfter <= 0, o.Lifetime <= 0:
		return errors.New("--issue-after and --lifetime must be longer than nothing")
	}
	return nil
}

func faultHelp() string {
	var help strings.Builder
	for _, kind := range sandbox.FaultKinds() {
		fmt.Fprintf(&help, "  %-26s %s\n", kind.Name, kind.Description)
	}
	return help.String()
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
