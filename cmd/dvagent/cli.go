package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/agent/account"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/message"
	"dvagent/internal/secret"
)

// Exit codes, as documented for users.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2  // usage or configuration
	exitPending    = 3  // an order is pending, or a record is owed
	exitNotServed  = 4  // issued, but a deployment or its proof failed
	exitNoInstance = 5  // no spare instance
	exitLocked     = 75 // another agent holds the lock
)

// cli holds the global flags and where to print.
type cli struct {
	stdout              *output
	stderr              io.Writer
	configPath          string
	logLevel, logFormat string
	chosen              message.Language // by the configuration
	started             bool             // the command line was understood

	mu         sync.Mutex
	complaints map[string]bool // that were told of certificates
}

// exitError ends a command that has already said everything.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// usageError is a mistake on the command line or in the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// ofThisBuild are commands that a build tag adds.
var ofThisBuild []func(*cli) *cobra.Command

func (c *cli) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "dvagent",
		Short:         "DV certificates from Alibaba Cloud: ordered, validated, installed, served",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		Version:       version,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{versionText}}")
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpCommand(helpCommand())
	flags := root.PersistentFlags()
	flags.StringVar(&c.configPath, "config", cmp.Or(os.Getenv("DVAGENT_CONFIG"), "/etc/dvagent/agent.toml"), "configuration `FILE` (environment DVAGENT_CONFIG)")
	flags.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		c.started = true
		if c.configPath == "" {
			return usageError{errors.New("--config names no file")}
		}
		if err := c.checkLogFlags(); err != nil {
			return err
		}
		return c.asOwner(cmd)
	}
	root.AddCommand(c.runCommand(), c.renewCommand(), c.planCommand(), c.statusCommand(), c.checkCommand(),
		c.deployCommand(), c.rollbackCommand(), c.abandonCommand(), c.logsCommand(), c.forgetCommand(), c.importCommand(), c.ordersCommand(), c.certsCommand(),
		c.contactsCommand(), c.fleetCommand(), c.initCommand())
	for _, cmd := range []*cobra.Command{c.demoCommand(), c.sandboxCommand(), c.versionCommand(), c.asRootCommand()} {
		cmd.PreRunE = refuseConfig
		root.AddCommand(cmd)
	}
	for _, command := range ofThisBuild {
		root.AddCommand(command(c))
	}
	addExamples(root)
	c.speakHelp(root)
	return root
}

// refuseConfig is for commands that read no configuration.
func refuseConfig(cmd *cobra.Command, _ []string) error {
	if cmd.Flags().Changed("config") {
		return usageError{fmt.Errorf("%s reads no configuration: leave --config out", cmd.Name())}
	}
	return nil
}

// exitCode prints the error of a command in one line and chooses the exit code.
func (c *cli) exitCode(err error) int {
	var done exitError
	var held *state.HeldError
	var wrong *config.Error
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &done):
		return done.code
	}
	c.complain(err)
	switch {
	case errors.As(err, &held):
		return exitLocked
	case errors.As(err, &wrong), errors.As(err, &usage), state.IsMisuse(err), !c.started:
		return exitUsage
	}
	return exitFailed
}

// complain prints an error and its hint in one line; of several mistakes in the
// configuration each.
func (c *cli) complain(err error) {
	for _, one := range config.Each(err) {
		fmt.Fprintln(c.stderr, c.complaint(one))
	}
}

// complainOf is complain about a certificate, once for each error.
func (c *cli) complainOf(certificate string, err error) {
	if !c.told(certificate, err) {
		c.complain(ofCertificate(certificate, err))
	}
}

func ofCertificate(certificate string, err error) error {
	return hint.Add(fmt.Errorf("%s: %w", certificate, err), hint.Of(err))
}

// told says whether an error was told before, and notes that it is now.
func (c *cli) told(certificate string, err error) bool {
	if err == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := certificate + ": " + err.Error()
	before := c.complaints[key]
	if c.complaints == nil {
		c.complaints = map[string]bool{}
	}
	c.complaints[key] = true
	return before
}

func (c *cli) complaint(err error) string {
	text := "dvagent: " + c.language().Text(line.Of(err.Error()))
	if advice := hint.Of(err); advice != "" {
		text += c.language().Sprintf(" (hint: %s)", line.Of(advice))
	}
	return text
}

func (c *cli) checkLogFlags() error {
	if new(slog.LevelVar).UnmarshalText([]byte(c.logLevel)) != nil {
		return usageError{fmt.Errorf("--log-level %q is none of debug, info, warn, error", c.logLevel)}
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		return usageError{fmt.Errorf("--log-format %q is neither text nor json", c.logFormat)}
	}
	return nil
}

// log writes to standard error, with the level and format of the flags.
func (c *cli) log() *slog.Logger { return c.logTo(c.stderr) }

func (c *cli) logTo(w io.Writer) *slog.Logger {
	level := new(slog.LevelVar)
	level.UnmarshalText([]byte(c.logLevel)) // checked before
	options := &slog.HandlerOptions{Level: level}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// open loads the configuration for the commands that only read, and opens its
// accounts. Nothing is contacted.
func (c *cli) open() (*state.Host, *account.Accounts, error) {
	cfg, err := config.Load(c.configPath)
	if err != nil {
		return nil, nil, err
	}
	c.chosen = cfg.Language
	host := state.NewHost(cfg, nil, nil)
	accounts, err := account.Open(host)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return host, accounts, nil
}

// worker loads the configuration for the commands that change something, and
// makes an agent of it and the state directory.
func (c *cli) worker(log *slog.Logger, observe state.Observer) (*agent.Agent, *config.Config, error) {
	cfg, err := config.Load(c.configPath)
	if err != nil {
		return nil, nil, err
	}
	c.chosen = cfg.Language
	for key, s := range cfg.Secrets() {
		if err := s.Reach(); errors.Is(err, secret.ErrNotHanded) {
			return nil, nil, usageError{fmt.Errorf("%s: %w", key, err)}
		}
	}
	host := state.NewHost(cfg, log, observe)
	host.Version = version
	a, err := agent.NewOn(host)
	if err == nil {
		err = state.Dir(cfg.StateDir).Prepare()
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	return a, cfg, nil
}

// wantsLock gives a command the flag --lock-wait. The caller is who takes the
// lock then.
func wantsLock(cmd *cobra.Command, caller *state.Caller) {
	caller.Who = "dvagent " + cmd.Name()
	durationVar(cmd, &caller.LockWait, "lock-wait", 10*time.Second, "wait so long for another agent to finish")
}
