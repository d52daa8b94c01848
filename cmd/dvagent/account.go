package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/account"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
)

// cas is one account at the version of CAS's API that it speaks.
type cas interface {
	// orders lists what was bought: as a table with its titles, and for --json.
	orders(context.Context) (table [][]string, rows any, err error)
	// titles are those of the cells of certificates.
	titles() []string
	certificates(context.Context) ([]listed, error)
	certificate(ctx context.Context, id int64) (detail, error)
	remove(ctx context.Context, id int64) error
	contacts(context.Context) ([]aliyun.ListedContact, error)
}

// listed is a certificate in a list of the account's.
type listed struct {
	id         int64
	name, ends string
	cells      []string
	row        certificateRow
	prunable   bool // uploaded, and expired for a day
}

// certificateRow is one element of `certs list --json`. What the account's version
// of CAS does not tell is left out.
type certificateRow struct {
	ID       int64    `json:"id"`
	Name     string   `json:"name"`
	Domains  []string `json:"domains"`
	Ends     string   `json:"ends"`                      // RFC 3339; of 2018-07-13 a date
	Expired  bool     `json:"expired"`                   // as CAS says
	KeyInCAS *bool    `json:"key_in_cas,omitempty"`      // 2020-04-07
	Source   string   `json:"source,omitempty"`          // 2020-04-07
	Sold     *bool    `json:"sold_by_alibaba,omitempty"` // 2018-07-13; with show always
}

// certificateDetail is what `certs show --json` prints.
type certificateDetail struct {
	certificateRow
	Issuer       string `json:"issuer"`
	Starts       string `json:"starts"` // as ends
	SerialNumber string `json:"serial_number,omitempty"`
	Fingerprint  string `json:"fingerprint"` // SHA-1
	Organisation string `json:"organisation"`
	Certificate  string `json:"certificate"` // and its chain, PEM
}

// names are those of a list with commas.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// stamp is a time for programs, or "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// longOver says that a certificate has ended a day ago: no clock that is off, and
// no time zone, makes it end later. Without an end it has not.
func longOver(end, now time.Time) bool { return !end.IsZero() && now.After(end.AddDate(0, 0, 1)) }

// detail is all of one certificate of the account.
type detail struct {
	fields    [][]string // names and texts to show, without the key
	row       certificateDetail
	cert, key string // PEM; the key is empty where CAS does not have it
}

// cas opens the named account, or the only account when none is named.
func (c *cli) cas(ctx context.Context, name string) (cas, error) {
	host, accounts, err := c.open()
	if err != nil {
		return nil, err
	}
	account, err := host.Config.Choose(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("--account: %w", err)}
	}
	return openCAS(ctx, host, accounts, account)
}

// openCAS finds out which version the account speaks, where that is not
// configured.
func openCAS(ctx context.Context, host *state.Host, accounts *account.Accounts, name string) (cas, error) {
	issuer, err := accounts.Catalogue(ctx, name, "")
	if err != nil {
		return nil, err
	}
	client, err := accounts.Client(name)
	if err != nil {
		return nil, err
	}
	if issuer.Terms().API == order.API2018 {
		return cas2018{client}, nil
	}
	return cas2020{client, name, host}, nil
}

// wantsAccount gives a command and those below it the flag --account.
func (c *cli) wantsAccount(cmd *cobra.Command, account *string) {
	cmd.PersistentFlags().StringVar(account, "account", "", "the account, when there are several")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("account", c.accounts))
}
