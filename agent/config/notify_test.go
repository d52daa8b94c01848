package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dvagent/notify"
)

const channels = `[[notify]]
name = "chat"
kind = "dingtalk"
url = "https://oapi.dingtalk.com/robot/send?access_token=canary"
secret = "SEC-canary"
[[notify]]
name = "mail"
kind = "email"
on = ["failed"]
smtp = "smtp.example.com:465"
username = "dvagent"
password_env = "DVAGENT_TEST"
from = "dvagent@example.com"
to = ["ops@example.com", "Zhang San <zs@example.com>"]
`

func TestChannelsAreRead(t *testing.T) {
	c, err := load(t, sound+channels)
	if err != nil {
		t.Fatal(err)
	}
	chat, mail := c.Notify[0], c.Notify[1]
	if chat.Name != "chat" || chat.Kind != notify.DingTalk || !slices.Equal(chat.On, notify.Needed) || chat.Secret.IsZero() {
		t.Errorf("%+v", chat)
	}
	if mail.Kind != notify.Email || !slices.Equal(mail.On, []string{"failed"}) || mail.Mail.Password.IsZero() || len(mail.Mail.To) != 2 {
		t.Errorf("%+v", mail)
	}
	if shown := fmt.Sprintf("%v %+v %#v", c.Notify, c.Notify, c.Notify); strings.Contains(shown, "canary") {
		t.Errorf("formatting tells a secret: %s", shown)
	}
}

// fault 87
func TestWhatIsWrongInAChannelIsNamedWithItsLineAndKey(t *testing.T) {
	first := strings.Count(sound, "\n") + 1
	for _, tt := range []struct {
		name, old, new string
		line           int // from [[notify]]
		key            string
	}{
		{"an unknown kind", `"dingtalk"`, `"pigeon"`, 2, "notify[0].kind"},
		{"a name with spaces", `"chat"`, `"the chat"`, 1, "notify[0].name"},
		{"a name that is taken", `"mail"`, `"chat"`, 6, "notify[1].name"},
		{"an unknown event", `["failed"]`, `["failed", "issued"]`, 8, "notify[1].on"},
		{"a plain address elsewhere", "https://oapi", "http://oapi", 3, "notify[0].url"},
		{"an address that is none", "https://oapi.dingtalk.com", "", 3, "notify[0].url"},
		{"no address", `url = "https://oapi.dingtalk.com/robot/send?access_token=canary"`, "", 0, "notify[0].url"},
		{"two addresses", `secret =`, "url_env = \"X\"\nsecret =", 3, "notify[0].url"},
		{"a signature that WeCom does not know", `"dingtalk"`, `"wecom"`, 4, "notify[0].secret"},
		{"an address for e-mail", `smtp =`, "url = \"https://example.com\"\nsmtp =", 9, "notify[1].url"},
		{"a mail server without a port", `.com:465`, `.com`, 9, "notify[1].smtp"},
		{"a user without a password", `password_env = "DVAGENT_TEST"`, "", 5, "notify[1].password"},
		{"nobody to write to", `to = ["ops@example.com", "Zhang San <zs@example.com>"]`, "", 5, "notify[1].to"},
		{"an address that is no mailbox", `"ops@example.com"`, `"ops"`, 13, "notify[1].to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(channels, tt.old) != 1 {
				t.Fatalf("%q does not stand once in the channels", tt.old)
			}
			_, err := load(t, sound+strings.Replace(channels, tt.old, tt.new, 1))
			var wrong *Error
			if !errors.As(err, &wrong) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("got %v", err)
			}
			if wrong.Line != first+tt.line || wrong.Key != tt.key {
				t.Errorf("got line %d (%d from the first), %s: %v", wrong.Line, wrong.Line-first, wrong.Key, err)
			}
		})
	}
}
