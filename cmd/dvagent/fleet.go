package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
)

func (c *cli) fleetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fleet", Short: "Hosts that share certificates through etcd", Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.fleetKeygen())
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
		return hint.Add(fmt.Errorf("write the identity: %s is there already", path), "hosts may use it: choose another name")
	}
	if err != nil {
		return fmt.Errorf("write the identity: %w", err)
	}
	return nil
}
