package check

import (
	"context"
	"os"

	"dvagent/agent/state"
	"dvagent/notify"
)

// Channels sends a message to each channel of the configuration.
func (c *Check) Channels(ctx context.Context) []Finding {
	name, _ := os.Hostname()
	m := notify.Message{Event: notify.Test, Host: name, At: state.Now(), Notices: []notify.Notice{
		{Subject: "test", Text: "somebody is trying this channel out; there is nothing to do"},
	}}
	var findings []Finding
	for _, channel := range c.host.Config.Notify {
		f := Finding{Subject: "notify", OK: channel.Name + " took a test message (" + channel.Kind + ")"}
		if err := notify.Send(ctx, channel, m); err != nil {
			f = Finding{Subject: "notify", Err: err}
		}
		findings = append(findings, f)
	}
	return findings
}
