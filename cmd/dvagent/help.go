package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dvagent/internal/message"
)

// speakHelp lets --help be read in the language of the environment. The man pages,
// which are made of the same texts, stay English.
func (c *cli) speakHelp(root *cobra.Command) {
	english := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		addFaults(root)
		language := c.language()
		if language != message.Chinese {
			english(cmd, args)
			return
		}
		translateHelp(cmd.Root(), language)
		out, text := cmd.OutOrStdout(), new(bytes.Buffer)
		cmd.SetOut(text)
		defer cmd.SetOut(out)
		english(cmd, args)
		io.WriteString(out, defaults().ReplaceAllString(headings.Replace(text.String()), "（默认 $1）"))
	})
}

// translateHelp puts the texts of a command, of its flags and of the commands below
// it into a language.
func translateHelp(cmd *cobra.Command, language message.Language) {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.Short = language.Text(cmd.Short)
	cmd.Long = rows().ReplaceAllStringFunc(cmd.Long, func(row string) string {
		lead := rows().FindStringSubmatch(row)[1]
		return lead + language.Text(row[len(lead):])
	})
	cmd.Example = comments().ReplaceAllStringFunc(cmd.Example, func(comment string) string { return "# " + language.Text(comment[2:]) })
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			switch f.Name {
			case "help":
				f.Usage = language.Text("show this help")
			case "version":
				f.Usage = language.Text("show the version")
			default:
				f.Usage = language.Text(f.Usage)
			}
		})
	}
	for _, sub := range cmd.Commands() {
		translateHelp(sub, language)
	}
}

var (
	// rows are lines, each perhaps with a word and a gap before its text.
	rows     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^(  \S+ +)?\S.*$`) })
	comments = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`# .*`) })
	defaults = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(` \(default (.*)\)`) })
	// headings are what cobra writes between the texts of the commands.
	headings = strings.NewReplacer("\nUsage:\n", "\n用法：\n", "\nExamples:\n", "\n示例：\n", "\nAvailable Commands:\n", "\n命令：\n", "\nFlags:\n", "\n选项：\n",
		"\nGlobal Flags:\n", "\n全局选项：\n", "[flags]", "[选项]", "[command]", "[命令]", "for more information about a command.", "查看某个命令的帮助。", "\nUse \"", "\n运行 \"")
)
