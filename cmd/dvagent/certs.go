package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/agent/upload"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

func (c *cli) certsCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use: "certs", Short: "The account's certificates", Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.wantsAccount(cmd, &account)
	cmd.AddCommand(c.certsList(&account), c.certsShow(&account), c.certsDownload(&account),
		c.certsUpload(&account), c.certsDelete(&account), c.certsPrune(&account))
	return cmd
}

func (c *cli) certsList(account *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the certificates of the account", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.cas(cmd.Context(), *account)
			if err != nil {
				return err
			}
			certificates, err := api.certificates(cmd.Context())
			if err != nil {
				return err
			}
			table, rows := [][]string{api.titles()}, []certificateRow{}
			for _, x := range certificates {
				table, rows = append(table, x.cells), append(rows, x.row)
			}
			if asJSON {
				return c.printJSON(rows)
			}
			return c.table(table...)
		},
	}
	wantsJSON(cmd, &asJSON)
	return cmd
}

func (c *cli) certsShow(account *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a certificate of the account, without its key", Args: one("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := c.certificate(cmd.Context(), *account, args[0])
			switch {
			case err != nil:
				return err
			case asJSON:
				return c.printJSON(x.row)
			}
			return c.table(x.fields...)
		},
	}
	wantsJSON(cmd, &asJSON)
	return cmd
}

func certificateID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usageError{hint.Add(fmt.Errorf("%q is not the id of a certificate", text), "dvagent certs list shows them")}
	}
	return id, nil
}

func (c *cli) certificate(ctx context.Context, account, text string) (detail, error) {
	id, err := certificateID(text)
	if err != nil {
		return detail{}, err
	}
	api, err := c.cas(ctx, account)
	if err != nil {
		return detail{}, err
	}
	x, err := api.certificate(ctx, id)
	return x, unlisted(err)
}

// unlisted says where the ids stand, if an error is that there is none such.
func unlisted(err error) error {
	if aliyun.Is(err, aliyun.NotFound) {
		return hint.Add(err, "dvagent certs list shows them")
	}
	return err
}

func (c *cli) certsDownload(account *string) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "download ID --out DIR", Short: "Write a certificate of the account as cert.pem, chain.pem, fullchain.pem and privkey.pem", Args: one("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{fmt.Errorf("--%s is missing", "out")}
			}
			x, err := c.certificate(cmd.Context(), *account, args[0])
			if err != nil {
				return err
			}
			if err := x.write(out); err != nil {
				return fmt.Errorf("certificate %s: %w", args[0], err)
			}
			c.printf("wrote certificate %s to %s\n", args[0], out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`DIR` to write into; it is made")
	return cmd
}

// write writes the pair, or nothing.
func (d detail) write(dir string) error {
	if d.key == "" {
		return hint.Add(errors.New("CAS does not have its private key"),
			"the key is on the host that ordered it: in certificates/NAME/current of the state directory there")
	}
	b, err := bundle.Parse([]byte(d.cert), []byte(d.key))
	if err != nil {
		return err
	}
	return b.Write(dir)
}

func (c *cli) certsUpload(account *string) *cobra.Command {
	return &cobra.Command{
		Use: "upload NAME", Short: "Upload the current version of a configured certificate", Args: one("NAME"),
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			host, accounts, err := c.open()
			if err != nil {
				return err
			}
			certificate, known := host.Config.Certificate(args[0])
			if !known {
				return host.Unknown(args[0])
			}
			if *account != "" && *account != certificate.Account {
				return usageError{fmt.Errorf("%s is a certificate of account %q, not %q", certificate.Name, certificate.Account, *account)}
			}
			b, err := currentVersion(host, certificate)
			if err != nil {
				return err
			}
			vault, err := accounts.Vault(cmd.Context(), certificate.Account)
			if err != nil {
				return err
			}
			kept, found, err := upload.Bring(cmd.Context(), vault, certificate.Name, b)
			switch {
			case err != nil:
				return err
			case found:
				c.printf("the account has it already, as certificate %d\n", kept.ID)
			default:
				c.printf("uploaded as certificate %d\n", kept.ID)
			}
			return nil
		},
	}
}

func currentVersion(host *state.Host, certificate config.Certificate) (*bundle.Bundle, error) {
	b, err := bundle.Load(host.Dir.Store(certificate.Name).CurrentDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, hint.Add(fmt.Errorf("%s has no version yet", certificate.Name), "dvagent renew "+certificate.Name)
	}
	return b, err
}

func (c *cli) certsDelete(account *string) *cobra.Command {
	var sure bool
	cmd := &cobra.Command{
		Use: "delete ID --yes", Short: "Delete a certificate of the account", Args: one("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := certificateID(args[0])
			if err != nil {
				return err
			}
			if !sure {
				return usageError{errors.New("deleting cannot be undone: say --yes")}
			}
			api, err := c.cas(cmd.Context(), *account)
			if err != nil {
				return err
			}
			used, err := c.usedHere(cmd.Context(), api, id)
			if err != nil {
				return err
			}
			if err := api.remove(cmd.Context(), id); err != nil {
				return unlisted(err)
			}
			c.printf("deleted certificate %d\n", id)
			if len(used) > 0 {
				fmt.Fprintf(c.stderr, "dvagent: it is what %s has here: that goes on being served, and is in CAS no more\n", strings.Join(used, ", "))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "do it")
	return cmd
}

// usedHere names the configured certificates whose current version is the
// account's certificate of that id.
func (c *cli) usedHere(ctx context.Context, api cas, id int64) ([]string, error) {
	host, _, err := c.open()
	if err != nil {
		return nil, err
	}
	kept, err := api.certificate(ctx, id)
	if err != nil {
		return nil, nil // the deletion says what is wrong
	}
	var names []string
	for _, certificate := range host.Config.Certificates {
		leaf, err := bundle.LoadLeaf(host.Dir.Store(certificate.Name).CurrentDir())
		if err == nil && bundle.HasLeaf([]byte(kept.cert), leaf) {
			names = append(names, certificate.Name)
		}
	}
	return names, nil
}

func (c *cli) certsPrune(account *string) *cobra.Command {
	var sure bool
	cmd := &cobra.Command{
		Use: "prune --yes", Short: "Delete the expired certificates that Alibaba did not sell", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.cas(cmd.Context(), *account)
			if err != nil {
				return err
			}
			found, err := c.prune(cmd.Context(), api, sure)
			if err != nil {
				return err
			}
			if found && !sure {
				return usageError{errors.New("nothing was deleted: say --yes")}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "do it")
	return cmd
}

// prune deletes what it says, or only says it, and returns whether there is any.
func (c *cli) prune(ctx context.Context, api cas, sure bool) (found bool, err error) {
	certificates, err := api.certificates(ctx)
	if err != nil {
		return false, err
	}
	for _, x := range certificates {
		if !x.prunable {
			continue
		}
		found = true
		done := "would delete"
		if sure {
			done = "deleted"
			if err := api.remove(ctx, x.id); err != nil {
				return true, err
			}
		}
		c.printf("%s %d %s (ended %s)\n", done, x.id, line.Of(x.name), line.Of(x.ends))
	}
	if !found {
		c.printf("no certificate that Alibaba did not sell has expired\n")
	}
	return found, nil
}
