package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/dnsvalidate"
	"dvagent/hooks"
	"dvagent/internal/address"
	"dvagent/internal/hint"
	"dvagent/internal/message"
)

// Load reads and checks the configuration at path and in conf.d beside it.
// Every error is an *Error.
func Load(path string) (*Config, error) {
	file, err := filepath.Abs(path)
	if err != nil {
		return nil, &Error{File: path, Err: err}
	}
	sources, dirErr := readSources(file)
	if err := decodeSources(sources); err != nil {
		return nil, err
	}
	if dirErr != nil {
		return nil, dirErr
	}
	config, err := build(sources)
	if err != nil {
		return nil, err
	}
	config.Path, config.Digest = file, digest(sources, nil)
	return config, nil
}

// at names the key that err is about.
func at(key string, err error) error {
	return &Error{Key: key, Err: err, Hint: hint.Of(err)}
}

// build makes a configuration of agent.toml, which comes first, and of the
// certificates and hooks of the others.
func build(sources []*source) (*Config, error) {
	main := sources[0]
	config := &Config{Accounts: map[string]Account{}, places: map[string]int{}}
	for _, build := range []func(*Config, document) error{
		buildStateDir, buildLimits, buildAccounts, buildDNS, buildNotify, buildService, buildMessages,
	} {
		if err := build(config, main.doc); err != nil {
			return nil, main.locate(err)
		}
	}
	contacts, err := buildContacts(main.doc)
	if err != nil {
		return nil, main.locate(err)
	}
	owners := &owners{of: map[possession]owner{}, real: realPaths{}}
	for _, s := range sources {
		if err := buildCertificates(config, contacts, owners, s); err != nil {
			return nil, s.locate(err)
		}
		if err := buildHooks(config, s.doc); err != nil {
			return nil, s.locate(err)
		}
	}
	if err := refuseOverwriting(config, owners.real, sources); err != nil {
		return nil, err
	}
	return config, nil
}

func buildStateDir(config *Config, doc document) error {
	if err := absolute(doc.StateDir); err != nil {
		return at("state_dir", err)
	}
	config.StateDir = doc.StateDir
	return nil
}

// autoLanguage leaves the language to the environment, or to the browser.
const autoLanguage = "auto"

func buildMessages(config *Config, doc document) error {
	language := message.Language(doc.Messages.Language)
	switch {
	case language == autoLanguage:
	case slices.Contains(message.Languages, language):
		config.Language = language
	default:
		return at("messages.language", fmt.Errorf("%q is none of %s, %s, %s", language, autoLanguage, message.English, message.Chinese))
	}
	return nil
}

func absolute(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	return nil
}

func buildLimits(config *Config, doc document) error {
	for key, value := range map[string]int{
		"limits.submissions_per_day": doc.Limits.SubmissionsPerDay,
		"limits.parallel_orders":     doc.Limits.ParallelOrders,
	} {
		if err := atLeastOne(key, value); err != nil {
			return err
		}
	}
	deadline, err := ParseDuration(doc.Limits.OrderDeadline)
	if err != nil {
		return at("limits.order_deadline", err)
	}
	forecast, err := ParseDuration(doc.Limits.Forecast)
	if err != nil {
		return at("limits.forecast", err)
	}
	shortest, err := ParseDuration(doc.Limits.ShortestPoll)
	if err == nil && shortest < quickestPoll {
		err = fmt.Errorf("%s is less than %s", shortest, quickestPoll)
	}
	if err != nil {
		return at("limits.shortest_poll", err)
	}
	config.Limits = Limits{
		SubmissionsPerDay: doc.Limits.SubmissionsPerDay,
		ParallelOrders:    doc.Limits.ParallelOrders,
		ShortestPoll:      shortest,
		OrderDeadline:     deadline,
		Forecast:          forecast,
	}
	return nil
}

// quickestPoll bounds how often any server is asked.
const quickestPoll = 50 * time.Millisecond

func atLeastOne(key string, value int) error {
	if value < 1 {
		return at(key, fmt.Errorf("%d is less than 1", value))
	}
	return nil
}

func buildDNS(config *Config, doc document) error {
	quorum, err := dnsvalidate.ParseQuorum(doc.DNS.Quorum)
	if err != nil {
		return at("dns.quorum", err)
	}
	propagationTimeout, err := ParseDuration(doc.DNS.PropagationTimeout)
	if err != nil {
		return at("dns.propagation_timeout", err)
	}
	settings := dnsvalidate.Settings{Quorum: quorum}
	for _, list := range []struct {
		key   string
		given []string
		into  *[]string
	}{
		{"resolvers", doc.DNS.Resolvers, &settings.Resolvers},
		{"nameservers", doc.DNS.NameServers, &settings.NameServers},
		{"public_resolvers", doc.DNS.PublicResolvers, &settings.PublicResolvers},
	} {
		if *list.into, err = hostPorts(list.given); err != nil {
			return at("dns."+list.key, err)
		}
	}
	settings.Delegate, err = normaliseAny(doc.DNS.Delegate)
	if err != nil {
		return at("dns.delegate", err)
	}
	issuers, err := normaliseAny(doc.DNS.CAAIssuers)
	if err != nil {
		return at("dns.caa_issuers", err)
	}
	if doc.DNS.TTL < 1 {
		return at("dns.ttl", fmt.Errorf("%d seconds is less than 1", doc.DNS.TTL))
	}
	config.DNS = DNS{
		Settings:           settings,
		CAAIssuers:         issuers,
		TTL:                doc.DNS.TTL,
		PropagationTimeout: propagationTimeout,
	}
	return nil
}

func hostPorts(addresses []string) ([]string, error) {
	var all []string
	for _, text := range addresses {
		read, err := hostPort(text)
		if err != nil {
			return nil, err
		}
		all = append(all, read)
	}
	return all, nil
}

// hostPort is text with the host as address.Host spells it.
func hostPort(text string) (string, error) {
	host, port, err := address.Split(text)
	if err != nil {
		return "", fmt.Errorf("%q %w", text, err)
	}
	return net.JoinHostPort(host, port), nil
}

// either lists words as in "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func buildHooks(config *Config, doc document) error {
	for i, table := range doc.Hook {
		key := fmt.Sprintf("hook[%d]", i)
		if len(table.On) == 0 {
			return at(key+".on", fmt.Errorf("no event is given (%s)", either(hooks.Events)))
		}
		for _, event := range table.On {
			if !slices.Contains(hooks.Events, event) {
				return at(key+".on", fmt.Errorf("%q is not an event (%s)", event, either(hooks.Events)))
			}
		}
		if len(table.Command) == 0 || table.Command[0] == "" {
			return at(key+".command", errors.New("no command is given"))
		}
		timeout, err := optionalDuration(table.Timeout)
		if err != nil {
			return at(key+".timeout", err)
		}
		config.Hooks = append(config.Hooks, hooks.Hook{On: table.On, Command: table.Command, Timeout: timeout})
	}
	return nil
}

// optionalDuration is 0 for a duration that is not given.
func optionalDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return ParseDuration(text)
}
