package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/share"
	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/words"
)

func (c *cli) fleetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fleet", Short: "Hosts that share certificates through etcd", Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.fleetKeygen(), c.fleetStatus(), c.fleetRelease())
	return cmd
}

func (c *cli) fleetKeygen() *cobra.Command {
	return &cobra.Command{
		Use: "keygen FILE", Short: "Write a new identity, with which the hosts of a fleet seal private keys", Args: one("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if err := c.writeIdentity(path); err != nil {
				return err
			}
			c.printf("wrote %s: copy it to the other hosts of the fleet, and name it as identity_file below [fleet]\n", path)
			return nil
		},
	}
}

// writeIdentity makes the file, which is for whom the service works as.
func (c *cli) writeIdentity(path string) error {
	text, err := fleet.NewIdentity()
	if err != nil {
		return err
	}
	file := atomicfile.File{Path: path, Data: []byte(text), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}
	if servant := serviceOf(config.StateDir(c.configPath)); servant.apart() {
		file.UID, file.GID = servant.owner.uid, servant.owner.gid
	}
	err = atomicfile.Create(file)
	if errors.Is(err, fs.ErrExist) {
		return usageError{hint.Add(fmt.Errorf("write the identity: %s is there already", path), "hosts may use it: choose another name")}
	}
	if err != nil {
		return fmt.Errorf("write the identity: %w", err)
	}
	return nil
}

// withFleet does something with the fleet of the configuration.
func (c *cli) withFleet(do func(*config.Config, *fleet.Fleet) error) error {
	cfg, err := config.Load(c.configPath)
	if err != nil {
		return err
	}
	c.chosen = cfg.Language
	if cfg.Fleet.Alone() {
		return share.ErrAlone
	}
	f := fleet.New(cfg.Fleet)
	defer f.Close()
	return do(cfg, f)
}

func (c *cli) fleetStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the hosts of the fleet, and which versions they serve", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withFleet(func(cfg *config.Config, f *fleet.Fleet) error {
				overview, err := share.ReadOverview(cmd.Context(), f, cfg.Fleet.Canaries)
				if err != nil {
					return err
				}
				if asJSON {
					return c.printJSON(overview)
				}
				return c.showFleet(overview)
			})
		},
	}
	wantsJSON(cmd, &asJSON)
	return cmd
}

// showFleet is a table of certificates, what holds them, and a table of hosts.
func (c *cli) showFleet(o share.Overview) error {
	certificates := [][]string{{"NAME", "VERSION", "STATE", "HOSTS", "ORDERED BY"}}
	for _, s := range o.Certificates {
		serving := fmt.Sprintf("%d/%d", s.Serving[s.Version], len(o.Hosts))
		certificates = append(certificates, []string{line.Of(s.Name), line.Of(cmp.Or(s.Version, "-")), string(s.State), serving, line.Of(cmp.Or(s.OrderedBy, "-"))})
	}
	if err := c.table(certificates...); err != nil {
		return err
	}
	for _, s := range o.Certificates {
		c.showCanaries(s)
		if s.Newest != "" {
			c.printf("%s: rolled back from version %s\n", line.Of(s.Name), line.Of(s.Newest))
		}
	}
	fmt.Fprintln(c.stdout)
	hosts := [][]string{{"HOST", "HEARD OF", "SERVES"}}
	for _, h := range o.Hosts {
		var serves []string
		for _, name := range slices.Sorted(maps.Keys(h.Versions)) {
			serves = append(serves, name+" "+cmp.Or(h.Versions[name], "-"))
		}
		hosts = append(hosts, []string{line.Of(h.Host), words.Minute(h.At), line.Of(strings.Join(serves, ", "))})
	}
	return c.table(hosts...)
}

// showCanaries says which hosts a version waits for, or failed on, and what to do.
func (c *cli) showCanaries(s share.Shared) {
	for _, canary := range s.Canaries {
		switch {
		case canary.Failed():
			c.printf("%s: host %s failed with version %s: %s\n", line.Of(s.Name), canary.Host, line.Of(s.Version), canary.Error)
		case canary.Works() && s.State == share.Trying:
			c.printf("%s: host %s tries version %s since %s\n", line.Of(s.Name), canary.Host, line.Of(s.Version), words.Minute(canary.At))
		}
	}
	if s.State == share.Held {
		c.printf("%s: to do: %s\n", line.Of(s.Name), share.Advice(line.Of(s.Name)))
	}
}

func (c *cli) fleetRelease() *cobra.Command {
	return &cobra.Command{
		Use: "release NAME", Short: "Let all hosts install a version that a canary failed with", Args: one("NAME"), ValidArgsFunction: c.oneCertificateName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withFleet(func(_ *config.Config, f *fleet.Fleet) error {
				if err := share.Release(cmd.Context(), f, args[0]); err != nil {
					return err
				}
				c.printf("%s: released to all hosts\n", args[0])
				return nil
			})
		},
	}
}
