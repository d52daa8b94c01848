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

// refuseUnknownShells makes cobra's command completion one that does not answer a shell that
// it does not know with its help.
func refuseUnknownShells(root *cobra.Command, args []string) {
	root.InitDefaultCompletionCmd(args...)
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args, cmd.RunE = knownCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
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

// noArguments, one and atMostOne are cobra's, but that they say what is wanted.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint.Add(fmt.Errorf("%s takes no argument, and %q is one", cmd.CommandPath(), args[0]), usageOf(cmd))
}

func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			format := "%s wants a %s"
			if what == "ID" {
				format = "%s wants an %s"
			}
			return hint.Add(fmt.Errorf(format, cmd.CommandPath(), what), usageOf(cmd))
		}
		return atMostOne(what)(cmd, args)
	}
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return hint.Add(fmt.Errorf("%s takes one %s, and %q is one too many", cmd.CommandPath(), what, args[1]), usageOf(cmd))
	}
}

func usageOf(cmd *cobra.Command) string { return fmt.Sprintf("see %s --help", cmd.CommandPath()) }

// wrongFlag says what is wrong with a flag in plain words, and which one was likely
// meant by one that there is not.
func wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		near := spelling.Nearest(unknown.GetSpecifiedName(), flagNames(cmd))
		if unknown.GetSpecifiedShortnames() != "" {
			err, near = fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName()), ""
		} else {
			err = fmt.Errorf("unknown flag: --%s", unknown.GetSpecifiedName())
		}
		if near == "" {
			return hint.Add(err, fmt.Sprintf("%s --help lists them", cmd.CommandPath()))
		}
		return hint.Add(err, fmt.Sprintf("did you mean --%s?", near))
	case errors.As(err, &empty):
		return hint.Add(fmt.Errorf("--%s wants a value", empty.GetSpecifiedName()), usageOf(cmd))
	case errors.As(err, &value):
		return wrongValue(value)
	}
	return hint.Add(errors.New("a flag is written as --NAME, --NAME VALUE or --NAME=VALUE"), usageOf(cmd))
}

// wrongValue puts an error of package strconv into words.
func wrongValue(err *pflag.InvalidValueError) error {
	name, given := err.GetFlag().Name, err.GetValue()
	switch err.GetFlag().Value.Type() {
	case "bool":
		return fmt.Errorf("--%s: %q is neither true nor false", name, given)
	case "int", "uint64":
		return fmt.Errorf("--%s: %q is not a whole number", name, given)
	case "durationSlice":
		return fmt.Errorf("--%s: %q is not a list of times such as 300ms,900ms", name, given)
	}
	return hint.Add(fmt.Errorf("--%s: %w", name, err.Unwrap()), hint.Of(err.Unwrap()))
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
	if err != nil || value < 0 {
		value, err = config.ParseDuration(text)
	}
	*d = duration(value)
	return err
}

func (d *duration) String() string { return time.Duration(*d).String() }

// Type is what help calls the value.
func (d *duration) Type() string { return "duration" }
