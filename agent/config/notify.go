package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dvagent/internal/address"
	"dvagent/internal/secret"
	"dvagent/notify"
)

func buildNotify(config *Config, doc document) error {
	names := map[string]bool{}
	for i, table := range doc.Notify {
		key := fmt.Sprintf("notify[%d]", i)
		channel, err := buildChannel(key, table)
		if err != nil {
			return err
		}
		if names[channel.Name] {
			return at(key+".name", fmt.Errorf("the name %q is taken", channel.Name))
		}
		names[channel.Name] = true
		config.Notify = append(config.Notify, channel)
	}
	return nil
}

func buildChannel(key string, table notifyTable) (notify.Channel, error) {
	channel := notify.Channel{Name: table.Name, Kind: table.Kind, On: table.On}
	if !nameForm.MatchString(table.Name) {
		return channel, at(key+".name", fmt.Errorf("%q is not a name: begin with a-z or 0-9, go on with dots and hyphens too", table.Name))
	}
	if !slices.Contains(notify.Kinds, table.Kind) {
		return channel, at(key+".kind", fmt.Errorf("%q is none of %s", table.Kind, strings.Join(notify.Kinds, ", ")))
	}
	if len(channel.On) == 0 {
		channel.On = notify.Needed
	}
	for _, event := range channel.On {
		if !slices.Contains(notify.Events, event) {
			return channel, at(key+".on", fmt.Errorf("%q is none of %s", event, strings.Join(notify.Events, ", ")))
		}
	}
	if err := table.checkKeys(key); err != nil {
		return channel, err
	}
	var err error
	if table.Kind == notify.Email {
		channel.Mail, err = buildMail(key, table)
		return channel, err
	}
	if channel.URL, err = buildURL(key, table); err != nil {
		return channel, err
	}
	channel.Secret, err = buildSecret(key+".secret", table.Secret, table.SecretFile, table.SecretEnv)
	return channel, err
}

// checkKeys refuses what does not belong to the kind of channel, and finds what
// is missing.
func (t notifyTable) checkKeys(key string) error {
	mail := t.Kind == notify.Email
	for _, row := range []struct {
		key            string
		given          bool
		belongs, needs bool
	}{
		{"url", t.URL+t.URLFile+t.URLEnv != "", !mail, !mail},
		{"secret", t.Secret+t.SecretFile+t.SecretEnv != "", t.Kind == notify.DingTalk || t.Kind == notify.Feishu, false},
		{"smtp", t.SMTP != "", mail, mail},
		{"from", t.From != "", mail, mail},
		{"to", len(t.To) > 0, mail, mail},
		{"username", t.Username != "", mail, t.Password+t.PasswordFile+t.PasswordEnv != ""},
		{"password", t.Password+t.PasswordFile+t.PasswordEnv != "", mail, t.Username != ""},
	} {
		switch {
		case row.given && !row.belongs:
			return at(key+"."+row.key, fmt.Errorf("has no meaning for kind %q", t.Kind))
		case row.needs && !row.given:
			return at(key+"."+row.key, errors.New("is missing"))
		}
	}
	return nil
}

func buildURL(key string, table notifyTable) (secret.Secret, error) {
	url, err := buildSecret(key+".url", table.URL, table.URLFile, table.URLEnv)
	if err != nil || url.Env != "" { // the service's variables are not those of every command
		return url, err
	}
	text, err := url.Resolve()
	if errors.Is(err, secret.ErrNotHanded) {
		return url, nil
	}
	if err == nil {
		err = notify.CheckURL(text)
	}
	if err != nil {
		return url, at(key+".url", err)
	}
	return url, nil
}

func buildMail(key string, table notifyTable) (mail notify.Mail, err error) {
	mail.Username = table.Username
	if mail.Server, err = hostPort(table.SMTP); err != nil {
		return mail, at(key+".smtp", err)
	}
	if mail.From, err = mailbox(table.From); err != nil {
		return mail, at(key+".from", err)
	}
	for _, text := range table.To {
		to, err := mailbox(text)
		if err != nil {
			return mail, at(key+".to", err)
		}
		mail.To = append(mail.To, to)
	}
	mail.Password, err = buildSecret(key+".password", table.Password, table.PasswordFile, table.PasswordEnv)
	return mail, err
}

// mailbox is text with the domain as address.Host spells it.
func mailbox(text string) (string, error) {
	if err := notify.CheckAddress(text); err != nil {
		return "", err
	}
	return address.Mail(text)
}
