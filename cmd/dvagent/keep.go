package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

func (c *cli) forgetCommand() *cobra.Command {
	var who state.Caller
	var force bool
	cmd := &cobra.Command{
		Use:               "forget NAME",
		Short:             "Remove what is kept of a certificate that is not configured any more",
		Args:              one("NAME"),
		ValidArgsFunction: c.orphanedNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.work(finishing{}, func(a *agent.Agent) ([]state.Outcome, error) {
				outcome, err := a.Forget(cmd.Context(), args[0], force, who)
				return []state.Outcome{outcome}, err
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "give up what is still owed, with the keys of a running order")
	wantsLock(cmd, &who)
	return cmd
}

func (c *cli) importCommand() *cobra.Command {
	var who state.Caller
	var cert, chain, key string
	cmd := &cobra.Command{
		Use:               "import NAME --cert FILE --key FILE",
		Short:             "Make a pair from elsewhere the current version and deploy it",
		Args:              one("NAME"),
		ValidArgsFunction: c.oneCertificateName,
		RunE: func(cmd *cobra.Command, args []string) error {
			pair, err := readPair(cert, chain, key)
			if err != nil {
				return usageError{err}
			}
			return c.work(finishing{}, func(a *agent.Agent) ([]state.Outcome, error) {
				outcome, err := a.Import(cmd.Context(), args[0], pair, who)
				return []state.Outcome{outcome}, err
			})
		},
	}
	cmd.Flags().StringVar(&cert, "cert", "", "the certificate, PEM; the chain may follow in the same `FILE`")
	cmd.Flags().StringVar(&chain, "chain", "", "the chain, PEM, where --cert has none: a `FILE`")
	cmd.Flags().StringVar(&key, "key", "", "its private key, PEM: a `FILE` of root's or of dvagent's user, which others cannot read")
	wantsLock(cmd, &who)
	return cmd
}

// readPair reads a pair from files. Nobody else may read the key's, or change it.
func readPair(cert, chain, key string) (*bundle.Bundle, error) {
	if cert == "" || key == "" {
		return nil, errors.New("--cert and --key are wanted, both")
	}
	certificates, err := openat.ReadFile(cert, bundle.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("--cert: %w", err)
	}
	if chain != "" {
		further, err := openat.ReadFile(chain, bundle.MaxBytes)
		if err != nil {
			return nil, fmt.Errorf("--chain: %w", err)
		}
		certificates.Data = append(append(certificates.Data, '\n'), further.Data...)
	}
	private, err := openat.ReadPrivate(key, bundle.MaxBytes)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("--key: %w", err), hint.Of(err))
	}
	pair, err := bundle.Parse(certificates.Data, private.Data)
	if err != nil {
		return nil, fmt.Errorf("read the pair of %s and %s: %w", cert, key, err)
	}
	return pair, nil
}
