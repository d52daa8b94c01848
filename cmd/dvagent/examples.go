package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples are shown by --help and in the man pages, by command.
var examples = map[string]string{
	"dvagent": `
dvagent check --online   # configuration, host, account and zones
dvagent plan             # what would be done, and why
dvagent renew            # do it`,
	"dvagent init": `
dvagent init
dvagent init --non-interactive --access-key-id LTAIexample --access-key-secret-file - \
    --domain example.com --deploy nginx --contact-id 10001 --enable service </root/secret`,
	"dvagent run": `
systemctl enable --now dvagent`,
	"dvagent renew": `
dvagent renew --quiet          # by cron
dvagent renew --no-wait www    # an order that has to wait stays open: exit 3
dvagent renew --force www      # although it is not due`,
	"dvagent plan": `
dvagent plan www
dvagent plan --json`,
	"dvagent status": `
dvagent status
dvagent status www
dvagent status --exit-code     # for a script
dvagent status --json`,
	"dvagent check": `
dvagent check --online
dvagent check --online --trace www
dvagent check --notify-test
dvagent check --as dvagent`,
	"dvagent deploy": `
dvagent deploy www
dvagent deploy --latest www    # ends a hold`,
	"dvagent rollback": `
dvagent rollback www
dvagent rollback www --to 20261126-b291c4b2523e`,
	"dvagent import": `
dvagent import www --cert /root/www.pem --key /root/www.key`,
	"dvagent logs": `
dvagent logs www`,
	"dvagent forget": `
dvagent forget old`,
	"dvagent abandon": `
dvagent abandon www`,
	"dvagent orders": `
dvagent orders --account main`,
	"dvagent certs": `
dvagent certs list
dvagent certs download 123456 --out /root/www`,
	"dvagent sandbox": `
dvagent sandbox --config-out agent.toml
dvagent --config agent.toml renew       # in another terminal`,
	"dvagent demo": `
dvagent demo --keep`,
}

// addExamples gives a command and those below it their examples.
func addExamples(cmd *cobra.Command) {
	if text := examples[cmd.CommandPath()]; text != "" {
		cmd.Example = "  " + strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\n  ")
	}
	for _, sub := range cmd.Commands() {
		addExamples(sub)
	}
}
