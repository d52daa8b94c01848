package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"dvagent/agent/config"
	"dvagent/dashboard"
)

// version is stamped by the build: -ldflags "-X main.version=…".
var version = "devel"

// setting returns a setting of the build, or otherwise when it has none.
func setting(info *debug.BuildInfo, key, otherwise string) string {
	for _, setting := range info.Settings {
		if setting.Key == key {
			return setting.Value
		}
	}
	return otherwise
}

// build describes this program to the dashboard.
func build() dashboard.Build {
	b := dashboard.Build{Version: version, Commit: "unknown", Go: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Go = info.GoVersion
		b.Commit = setting(info, "vcs.revision", b.Commit)
	}
	return b
}

func init() { cobra.AddTemplateFunc("versionText", versionText) } // made when it is asked for

// versionText is what version and --version print.
func versionText() string {
	built, sdk := build(), "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/aliyun/alibaba-cloud-sdk-go" {
				sdk = module.Version
			}
		}
	}
	text := fmt.Sprintf("dvagent %s\ncommit %s\n%s\nalibaba-cloud-sdk-go %s\n", built.Version, built.Commit, built.Go, sdk)
	for _, api := range config.APIs {
		text += "CAS " + config.Account{}.Spoken(api) + "\n"
	}
	return text
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit, Go and SDK versions, and which versions of CAS's API it speaks",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(c.stdout, versionText())
			return err
		},
	}
}
