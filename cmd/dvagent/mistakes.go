package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dvagent/agent/config"
	"dvagent/internal/hint"
	"dvagent/internal/spelling"
)

// knownCommand is for commands that do nothing but have others below them: an
// argument is a command that there is not.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	if near := spelling.Nearest(args[0], subcommands(cmd)); near != "" {
		return hint.Add(err, fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), near))
	}
	return hint.Add(err, fmt.Sprintf("%s --help lists them", cmd.CommandPath()))
}

func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	return names
}

// misspeltFlag says which flag was likely meant by one that there is not.
func misspeltFlag(cmd *cobra.Command, err error) error {
	var missing interface{ GetSpecifiedName() string }
	if !errors.As(err, &missing) {
		return err
	}
	near := spelling.Nearest(missing.GetSpecifiedName(), flagNames(cmd))
	if near == "" {
		return hint.Add(err, fmt.Sprintf("%s --help lists them", cmd.CommandPath()))
	}
	return hint.Add(err, fmt.Sprintf("did you mean --%s?", near))
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// helpCommand is cobra's, but that a command which there is not is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return subcommands(of), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err == nil && of.HasAvailableSubCommands() {
				err = knownCommand(of, rest)
			}
			if err != nil {
				return usageError{err}
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// duration is a flag that takes what the configuration takes, such as 30d.
type duration time.Duration

func durationVar(cmd *cobra.Command, into *time.Duration, name string, value time.Duration, usage string) {
	*into = value
	cmd.Flags().Var((*duration)(into), name, usage)
}

// Set is for the flags.
func (d *duration) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil {
		value, err = config.ParseDuration(text)
	}
	*d = duration(value)
	return err
}

func (d *duration) String() string { return time.Duration(*d).String() }

// Type is what help calls the value.
func (d *duration) Type() string { return "duration" }
