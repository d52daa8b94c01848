package check

import (
	"context"
	"errors"
	"os"

	"dvagent/agent/state"
	"dvagent/internal/hint"
	"dvagent/notify"
)

// Channels sends a message to each channel of the configuration.
func (c *Check) Channels(ctx context.Context) []Finding {
	name, _ := os.Hostname()
	m := notify.Message{Event: notify.Test, Host: name, At: state.Now(), Notices: []notify.Notice{
		{Subject: "test", Text: "somebody is trying this channel out; there is nothing to do"},
	}}
	if len(c.host.Config.Notify) == 0 {
		return []Finding{{Subject: "notify", Warning: true,
			Err: hint.Add(errors.New("no channel is configured: nobody gets a message"), "add [[notify]] to the configuration")}}
	}
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
