package main

import (
	"log/slog"
	"runtime/debug"

	"dvagent/agent/config"
	"dvagent/dashboard"
)

// build tells the dashboard what program it belongs to.
func build() dashboard.Build {
	b := dashboard.Build{Version: version, Commit: "unknown", Go: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Go = info.GoVersion
		b.Commit = setting(info, "vcs.revision", b.Commit)
	}
	return b
}

// warnOfListen says that what [service] says of listening counts from the next
// start on.
func warnOfListen(log *slog.Logger, was, is config.Service) {
	was.Interval = is.Interval
	if was != is {
		log.Warn("what [service] says of listen, tls and token counts from the next start on")
	}
}
