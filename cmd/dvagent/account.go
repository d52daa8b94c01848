package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/words"
)

// client returns the client of the named account, or of the only account when
// none is named.
func (c *cli) client(account string) (*aliyun.Client, error) {
	host, accounts, err := c.open()
	if err != nil {
		return nil, err
	}
	if account == "" && len(host.Config.Accounts) != 1 {
		return nil, usageError{errors.New("there is more than one account: choose one with --account")}
	}
	for name := range host.Config.Accounts {
		if account == "" || account == name {
			return accounts.Client(name)
		}
	}
	return nil, usageError{fmt.Errorf("no account is named %q", account)}
}

func (c *cli) ordersCommand() *cobra.Command {
	var asJSON bool
	var account string
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "List the account's order instances",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client(account)
			if err != nil {
				return err
			}
			instances, err := client.DescribeOrderInstanceList(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(instanceRows(instances))
			}
			rows := [][]string{{"INSTANCE", "TYPE", "STATUS", "SOURCE", "ID"}}
			for _, i := range instances {
				rows = append(rows, []string{i.InstanceID, i.CertType, string(i.Status), i.Source, strconv.FormatInt(i.ID, 10)})
			}
			return c.table(rows...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&account, "account", "", "the account, when there are several")
	return cmd
}

// instanceRow is one element of `orders --json`.
type instanceRow struct {
	Instance string `json:"instance"`
	Type     string `json:"type"`
	Status   string `json:"status"`
	Source   string `json:"source"`
	ID       int64  `json:"id"`
}

func instanceRows(instances []aliyun.Instance) []instanceRow {
	rows := []instanceRow{}
	for _, i := range instances {
		rows = append(rows, instanceRow{i.InstanceID, i.CertType, string(i.Status), i.Source, i.ID})
	}
	return rows
}

func (c *cli) certsCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use: "certs", Short: "The account's certificates", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&account, "account", "", "the account, when there are several")
	cmd.AddCommand(c.certsList(&account), c.certsShow(&account), c.certsDownload(&account),
		c.certsUpload(&account), c.certsDelete(&account), c.certsPrune(&account))
	return cmd
}

// certificates lists the certificates of the account, beside its client.
func (c *cli) certificates(cmd *cobra.Command, account string) (*aliyun.Client, []aliyun.Certificate, error) {
	client, err := c.client(account)
	if err != nil {
		return nil, nil, err
	}
	certificates, err := client.DescribeUserCertificateList(cmd.Context())
	return client, certificates, err
}

func (c *cli) certsList(account *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, certificates, err := c.certificates(cmd, *account)
			if err != nil {
				return err
			}
			rows := [][]string{{"ID", "NAME", "NAMES", "ENDS", "EXPIRED", "SOLD BY ALIBABA"}}
			for _, x := range certificates {
				rows = append(rows, []string{strconv.FormatInt(x.ID, 10), x.Name, x.Sans, x.EndDate, words.YesNo(x.Expired), words.YesNo(x.BuyInAliyun)})
			}
			return c.table(rows...)
		},
	}
}

func (c *cli) certsShow(account *string) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one, without its key", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := c.detail(cmd, *account, args[0])
			if err != nil {
				return err
			}
			return c.table([]string{"id", args[0]}, []string{"name", x.Name}, []string{"names", x.Sans},
				[]string{"issuer", x.Issuer}, []string{"starts", x.StartDate}, []string{"ends", x.EndDate},
				[]string{"fingerprint (SHA-1)", x.Fingerprint}, []string{"organisation", x.OrgName},
				[]string{"expired", words.YesNo(x.Expired)}, []string{"sold by Alibaba", words.YesNo(x.BuyInAliyun)})
		},
	}
}

func certificateID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usageError{hint.Add(fmt.Errorf("%q is not the id of a certificate", text), "dvagent certs list shows them")}
	}
	return id, nil
}

func (c *cli) detail(cmd *cobra.Command, account, text string) (aliyun.Certificate, error) {
	id, err := certificateID(text)
	if err != nil {
		return aliyun.Certificate{}, err
	}
	client, err := c.client(account)
	if err != nil {
		return aliyun.Certificate{}, err
	}
	return client.DescribeUserCertificateDetail(cmd.Context(), id)
}

func (c *cli) certsDownload(account *string) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "download ID --out DIR", Short: "Write its cert.pem, chain.pem, fullchain.pem and privkey.pem", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New(`required flag(s) "out" not set`)}
			}
			x, err := c.detail(cmd, *account, args[0])
			if err != nil {
				return err
			}
			b, err := bundle.Parse([]byte(x.Cert), []byte(x.Key))
			if err != nil {
				return fmt.Errorf("certificate %s: %w", args[0], err)
			}
			if err := b.Write(out); err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "wrote certificate %s to %s\n", args[0], out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`DIR` to write into; it is made")
	return cmd
}

func (c *cli) certsUpload(account *string) *cobra.Command {
	return &cobra.Command{
		Use: "upload NAME", Short: "Upload the current version of a configured certificate", Args: cobra.ExactArgs(1),
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			host, accounts, err := c.open()
			if err != nil {
				return err
			}
			certificate, known := host.Config.Certificate(args[0])
			if !known {
				return &state.UnknownError{Name: args[0]}
			}
			if *account != "" && *account != certificate.Account {
				return usageError{fmt.Errorf("%s is a certificate of account %q, not %q", certificate.Name, certificate.Account, *account)}
			}
			b, err := bundle.Load(host.Dir.Store(certificate.Name).CurrentDir())
			if errors.Is(err, os.ErrNotExist) {
				return hint.Add(fmt.Errorf("%s has no version yet", certificate.Name), "dvagent renew "+certificate.Name)
			}
			if err != nil {
				return err
			}
			client, err := accounts.Client(certificate.Account)
			if err != nil {
				return err
			}
			id, err := client.CreateUserCertificate(cmd.Context(), certificate.Name+"-"+b.ID(), string(b.FullchainPEM()), string(b.KeyPEM()))
			if err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "uploaded as certificate %d\n", id)
			return nil
		},
	}
}

func (c *cli) certsDelete(account *string) *cobra.Command {
	var sure bool
	cmd := &cobra.Command{
		Use: "delete ID --yes", Short: "Delete one", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !sure {
				return usageError{errors.New("deleting cannot be undone: say --yes")}
			}
			id, err := certificateID(args[0])
			if err != nil {
				return err
			}
			client, err := c.client(*account)
			if err != nil {
				return err
			}
			if err := client.DeleteUserCertificate(cmd.Context(), id); err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "deleted certificate %d\n", id)
			return nil
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "do it")
	return cmd
}

func (c *cli) certsPrune(account *string) *cobra.Command {
	var sure bool
	cmd := &cobra.Command{
		Use: "prune --yes", Short: "Delete the expired ones that Alibaba did not sell", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, certificates, err := c.certificates(cmd, *account)
			if err != nil {
				return err
			}
			for _, x := range certificates {
				if !prunable(x, time.Now()) {
					continue
				}
				if !sure {
					fmt.Fprintf(c.stdout, "would delete %d %s (ended %s)\n", x.ID, line.Of(x.Name), line.Of(x.EndDate))
					continue
				}
				if err := client.DeleteUserCertificate(cmd.Context(), x.ID); err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "deleted %d %s (ended %s)\n", x.ID, line.Of(x.Name), line.Of(x.EndDate))
			}
			if !sure {
				return usageError{errors.New("nothing was deleted: say --yes")}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "do it")
	return cmd
}

// prunable reports whether the certificate has expired, both by its flag and by
// its date (YYYY-MM-DD, with a day to spare), and was not sold by Alibaba.
func prunable(x aliyun.Certificate, now time.Time) bool {
	end, err := time.Parse(time.DateOnly, strings.TrimSpace(x.EndDate))
	return err == nil && x.Expired && !x.BuyInAliyun && now.After(end.AddDate(0, 0, 1))
}
