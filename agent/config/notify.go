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
	var wrong mistakes
	names := map[string]bool{}
	for i, table := range doc.Notify {
		key := fmt.Sprintf("notify[%d]", i)
		channel, err := buildChannel(key, table)
		wrong.add(err)
		if names[channel.Name] && channel.Name != "" {
			wrong.at(key+".name", fmt.Errorf("the name %q is taken", channel.Name))
		}
		names[channel.Name] = true
		config.Notify = append(config.Notify, channel)
	}
	return wrong.err()
}

func buildChannel(key string, table notifyTable) (notify.Channel, error) {
	channel := notify.Channel{Name: table.Name, Kind: table.Kind, On: table.On}
	var wrong mistakes
	wrong.at(key+".name", checkName(table.Name))
	if len(channel.On) == 0 {
		channel.On = notify.Needed
	}
	for _, event := range channel.On {
		if !slices.Contains(notify.Events, event) {
			wrong.at(key+".on", noneOf(event, notify.Events))
		}
	}
	if !slices.Contains(notify.Kinds, table.Kind) {
		wrong.at(key+".kind", noneOf(table.Kind, notify.Kinds))
		return channel, wrong.err()
	}
	if err := table.checkKeys(key); err != nil {
		wrong.add(err)
		return channel, wrong.err()
	}
	var err error
	if table.Kind == notify.Email {
		channel.Mail, err = buildMail(key, table)
		wrong.add(err)
		return channel, wrong.err()
	}
	channel.URL, err = buildURL(key, table)
	wrong.add(err)
	channel.Secret, err = buildSecret(key+".secret", table.Secret, table.SecretFile, table.SecretEnv)
	wrong.add(err)
	return channel, wrong.err()
}

// checkKeys refuses what does not belong to the kind of channel, and finds what
// is missing.
func (t notifyTable) checkKeys(key string) error {
	mail := t.Kind == notify.Email
	var wrong mistakes
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
			wrong.at(key+"."+row.key, fmt.Errorf("has no meaning for kind %q", t.Kind))
		case row.needs && !row.given:
			wrong.at(key+"."+row.key, errors.New("is missing"))
		}
	}
	return wrong.err()
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
	var wrong mistakes
	mail.Server, err = hostPort(table.SMTP, "465")
	wrong.at(key+".smtp", err)
	mail.From, err = mailbox(table.From)
	wrong.at(key+".from", err)
	for _, text := range table.To {
		to, err := mailbox(text)
		wrong.at(key+".to", err)
		mail.To = append(mail.To, to)
	}
	mail.Password, err = buildSecret(key+".password", table.Password, table.PasswordFile, table.PasswordEnv)
	wrong.add(err)
	return mail, wrong.err()
}

// mailbox is text with the domain as address.Host spells it.
func mailbox(text string) (string, error) {
	if err := notify.CheckAddress(text); err != nil {
		return "", err
	}
	return address.Mail(strings.TrimSpace(text))
}
