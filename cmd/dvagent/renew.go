package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
)

func (c *cli) renewCommand() *cobra.Command {
	var r agent.Renewal
	var quiet, all, dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:               "renew [NAME...]",
		Short:             "Do all that is due and wait for it (for cron)",
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if r.Timeout <= 0 {
				return usageError{errors.New("--timeout must be longer than nothing")}
			}
			if quiet && cmd.Flags().Changed("log-level") && c.logLevel != "error" {
				return usageError{errors.New("--quiet logs only errors: leave --log-level out")}
			}
			if cmd.Flags().Changed("adopt") {
				if err := checkAdoption(r, names); err != nil {
					return err
				}
			}
			if r.Force && len(names) == 0 && !all {
				if err := c.checkForce(); err != nil {
					return err
				}
			}
			if all && len(names) > 0 {
				return usageError{errors.New("--all takes no NAME")}
			}
			if r.Alone && len(names) == 0 {
				return usageError{errors.New("--alone wants the NAMEs that no other host orders")}
			}
			if dryRun {
				return c.foresee(cmd.Context(), r, names, asJSON)
			}
			r.Names = names
			return c.work(finishing{quiet, asJSON}, func(a *agent.Agent) ([]state.Outcome, error) { return a.Renew(cmd.Context(), r) })
		},
	}
	flags := cmd.Flags()
	durationVar(cmd, &r.Timeout, "timeout", 45*time.Minute, "stop waiting after so long; the order stays open")
	flags.BoolVar(&r.NoWait, "no-wait", false, "leave an order pending (exit 3); the next call resumes it")
	flags.BoolVar(&r.Force, "force", false, "renew what is not due")
	flags.BoolVar(&all, "all", false, "with --force: every certificate, which may use an instance each")
	flags.StringVar(&r.Adopt, "adopt", "", "go on with this `ORDERID` of a package, whoever placed it")
	flags.BoolVar(&r.Alone, "alone", false, "order without asking the fleet, as when etcd is lost; where another host orders too, two certificates are paid for")
	flags.BoolVar(&quiet, "quiet", false, "print nothing on success")
	flags.BoolVar(&dryRun, "dry-run", false, "only show what would be done, as plan does; call and change nothing")
	wantsJSON(cmd, &asJSON)
	wantsLock(cmd, &r.Caller)
	return cmd
}

// checkForce refuses to order several certificates anew unless they are named.
func (c *cli) checkForce() error {
	cfg, err := config.Load(c.configPath)
	if err != nil {
		return err
	}
	if n := len(cfg.Certificates); n > 1 {
		return usageError{fmt.Errorf("--force orders %d certificates anew, and may use as many instances: name those that are meant, or say --all", n)}
	}
	return nil
}

// checkAdoption refuses what can be told to be a mistake without asking anybody.
func checkAdoption(r agent.Renewal, names []string) error {
	if id, err := strconv.ParseInt(r.Adopt, 10, 64); err != nil || id <= 0 {
		return usageError{fmt.Errorf("--adopt: %q is not the number of an order (dvagent orders lists them)", r.Adopt)}
	}
	switch {
	case len(names) != 1:
		return usageError{errors.New("--adopt wants one NAME")}
	case r.Force:
		return usageError{errors.New("--adopt goes on with an order, and --force places one: leave one of them out")}
	}
	return nil
}

// foresee shows what a renewal would do.
func (c *cli) foresee(ctx context.Context, r agent.Renewal, names []string, asJSON bool) error {
	if r.Adopt != "" {
		return usageError{errors.New("--adopt asks the server: leave --dry-run out")}
	}
	plan, err := c.plan(ctx, names)
	if err != nil {
		return err
	}
	if r.Force {
		plan.Force()
	}
	return c.printPlan(plan, asJSON, len(names) > 0)
}

// finishing is how the end of a command is told.
type finishing struct{ quiet, asJSON bool }

// work runs a command that changes something: it shows the progress and prints
// how things ended.
func (c *cli) work(f finishing, do func(*agent.Agent) ([]state.Outcome, error)) error {
	log, observe, closeProgress := c.show(f.quiet)
	a, _, err := c.worker(log, observe)
	var outcomes []state.Outcome
	if err == nil {
		outcomes, err = do(a)
		a.Close()
	}
	closeProgress()
	if err != nil {
		return err
	}
	return c.finish(outcomes, f)
}

// show returns a log and an observer that shows progress, or only errors when
// quiet, and a function that ends the display.
func (c *cli) show(quiet bool) (*slog.Logger, state.Observer, func()) {
	if quiet {
		c.logLevel = "error"
		return c.log(), nil, func() {}
	}
	p := c.progress()
	return p.log, p.observe, p.close
}

func (c *cli) deployCommand() *cobra.Command {
	var r agent.Redeployment
	cmd := &cobra.Command{
		Use:               "deploy [NAME...]",
		Short:             "Install the current version again and run the hooks",
		ValidArgsFunction: c.certificateNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if r.Latest && len(names) == 0 {
				return usageError{errors.New("--latest wants a NAME")}
			}
			r.Names = names
			return c.work(finishing{}, func(a *agent.Agent) ([]state.Outcome, error) { return a.Deploy(cmd.Context(), r) })
		},
	}
	cmd.Flags().BoolVar(&r.Latest, "latest", false, "end a hold: deploy the newest version")
	wantsLock(cmd, &r.Caller)
	return cmd
}

func (c *cli) rollbackCommand() *cobra.Command {
	var who state.Caller
	var to string
	var fleet bool
	cmd := &cobra.Command{
		Use:               "rollback NAME",
		Short:             "Make the version before, or another one, current, deploy it and hold it",
		Args:              one("NAME"),
		ValidArgsFunction: c.oneCertificateName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.work(finishing{}, func(a *agent.Agent) ([]state.Outcome, error) {
				rollback := a.Rollback
				if fleet {
					rollback = a.RollbackFleet
				}
				outcome, err := rollback(cmd.Context(), args[0], to, who)
				return []state.Outcome{outcome}, err
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "this `VERSION`, as dvagent status NAME lists them; the one before, where it is not given")
	cmd.Flags().BoolVar(&fleet, "fleet", false, "on all hosts of the fleet, canaries first")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("to", c.versions))
	wantsLock(cmd, &who)
	return cmd
}

func (c *cli) abandonCommand() *cobra.Command {
	var who state.Caller
	cmd := &cobra.Command{
		Use:   "abandon NAME",
		Short: "Give up the open order of a certificate and remove its record",
		Args:  one("NAME"), ValidArgsFunction: c.keptNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.work(finishing{}, func(a *agent.Agent) ([]state.Outcome, error) {
				outcome, err := a.Abandon(cmd.Context(), args[0], who)
				return []state.Outcome{outcome}, err
			})
		},
	}
	wantsLock(cmd, &who)
	return cmd
}
