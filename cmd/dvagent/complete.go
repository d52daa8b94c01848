package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/agent/state"
)

// What the shell completes. Whatever is wrong, it completes nothing.

const noFiles = cobra.ShellCompDirectiveNoFileComp

// certificateNames completes the names of configured certificates, but those that
// were given.
func (c *cli) certificateNames(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := config.Load(c.configPath)
	if err != nil {
		return nil, noFiles
	}
	var names []string
	for _, certificate := range cfg.Certificates {
		if !slices.Contains(given, certificate.Name) {
			names = append(names, certificate.Name)
		}
	}
	return names, noFiles
}

// oneCertificateName is certificateNames for a command that takes one.
func (c *cli) oneCertificateName(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, noFiles
	}
	return c.certificateNames(cmd, given, begun)
}

// keptNames completes the names of what the state directory keeps, configured or
// not.
func (c *cli) keptNames(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, noFiles
	}
	names, err := state.Dir(config.StateDir(c.configPath)).Certificates()
	if err != nil {
		return nil, noFiles
	}
	return names, noFiles
}

// orphanedNames completes those of keptNames that are not configured.
func (c *cli) orphanedNames(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	names, directive := c.keptNames(cmd, given, begun)
	configured, _ := c.certificateNames(cmd, nil, begun)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(configured, name) }), directive
}

// versions completes those of the certificate that was given.
func (c *cli) versions(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) != 1 || !config.IsName(given[0]) {
		return nil, noFiles
	}
	ids, err := state.Dir(config.StateDir(c.configPath)).Store(given[0]).Versions()
	if err != nil {
		return nil, noFiles
	}
	return ids, noFiles
}

// accounts completes the names of configured accounts.
func (c *cli) accounts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := config.Load(c.configPath)
	if err != nil {
		return nil, noFiles
	}
	return slices.Sorted(maps.Keys(cfg.Accounts)), noFiles
}
