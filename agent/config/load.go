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
// Every error is an *Error, or Errors where several things are wrong.
func Load(path string) (*Config, error) {
	file, err := filepath.Abs(path)
	if err != nil {
		return nil, &Error{File: path, Err: err, Hint: "the directory that this shell is in is gone: give --config a path from / on"}
	}
	sources, dirErr := readSources(file)
	if err := decodeSources(sources); err != nil {
		return nil, inOrder(err)
	}
	if dirErr != nil {
		return nil, dirErr
	}
	config, err := build(sources)
	if err != nil {
		return nil, inOrder(err)
	}
	config.Path, config.Digest = file, digest(sources, nil)
	return config, nil
}

// build makes a configuration of agent.toml, which comes first, and of the
// certificates and hooks of the others.
func build(sources []*source) (*Config, error) {
	main := sources[0]
	certificates := 0
	for _, s := range sources {
		certificates += len(s.doc.Certificate)
	}
	config := &Config{Accounts: map[string]Account{}, Certificates: make([]Certificate, 0, certificates), places: make(map[string]int, certificates)}
	var wrong mistakes
	for _, build := range []func(*Config, document) error{
		buildStateDir, buildLimits, buildAccounts, buildDNS, buildNotify, buildService, buildFleet, buildMessages,
	} {
		wrong.add(main.locate(build(config, main.doc)))
	}
	contacts, err := buildContacts(main.doc)
	wrong.add(main.locate(err))
	owners := newOwners(certificates)
	for _, s := range sources {
		wrong.add(s.locate(buildCertificates(config, contacts, owners, s)))
		wrong.add(s.locate(buildHooks(config, s.doc)))
	}
	if len(wrong) == 0 {
		wrong.add(refuseOverwriting(config, owners.real, sources))
	}
	if len(wrong) > 0 {
		return nil, wrong.err()
	}
	return config, nil
}

// system are directories that others need: a state directory is made 0700.
var system = []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin",
	"/srv", "/sys", "/tmp", "/usr", "/usr/local", "/usr/share", "/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp", "/var/www"}

func buildStateDir(config *Config, doc document) error {
	config.StateDir = doc.StateDir
	if err := absolute(doc.StateDir); err != nil {
		return at("state_dir", err)
	}
	if clean := filepath.Clean(doc.StateDir); slices.Contains(system, clean) {
		return at("state_dir", hint.Add(fmt.Errorf("%s is a directory of the system, and would be closed to all others", clean),
			"give dvagent a directory of its own, such as "+filepath.Join(clean, "dvagent")))
	}
	return nil
}

// autoLanguage leaves the language to the environment, or to the browser.
const autoLanguage = "auto"

// languages are what language may be.
var languages = []string{autoLanguage, string(message.English), string(message.Chinese)}

func buildMessages(config *Config, doc document) error {
	language := message.Language(doc.Messages.Language)
	switch {
	case language == autoLanguage:
	case slices.Contains(message.Languages, language):
		config.Language = language
	default:
		err := noneOf(string(language), languages)
		if meant := message.OfEnvironment(func(string) string { return strings.ToLower(doc.Messages.Language) }); meant == message.Chinese || language == "cn" || language == "中文" {
			err = hint.Add(err, fmt.Sprintf("did you mean %q?", message.Chinese))
		}
		return at("messages.language", err)
	}
	return nil
}

func absolute(path string) error {
	switch {
	case path == "":
		return errors.New("is missing")
	case !filepath.IsAbs(path):
		return hint.Add(fmt.Errorf("%q is not an absolute path", path), pathHint(path))
	}
	return nil
}

func buildLimits(config *Config, doc document) error {
	var wrong mistakes
	for key, value := range map[string]int{
		"limits.submissions_per_day": doc.Limits.SubmissionsPerDay,
		"limits.parallel_orders":     doc.Limits.ParallelOrders,
	} {
		wrong.add(atLeastOne(key, value))
	}
	deadline, err := ParseDuration(doc.Limits.OrderDeadline)
	wrong.at("limits.order_deadline", err)
	forecast, err := ParseDuration(doc.Limits.Forecast)
	wrong.at("limits.forecast", err)
	shortest, err := ParseDuration(doc.Limits.ShortestPoll)
	if err == nil && shortest < quickestPoll {
		err = fmt.Errorf("%s is less than %s", shortest, quickestPoll)
	}
	wrong.at("limits.shortest_poll", err)
	config.Limits = Limits{
		SubmissionsPerDay: doc.Limits.SubmissionsPerDay,
		ParallelOrders:    doc.Limits.ParallelOrders,
		ShortestPoll:      shortest,
		OrderDeadline:     deadline,
		Forecast:          forecast,
	}
	return wrong.err()
}

// quickestPoll bounds how often any server is asked.
const quickestPoll = 50 * time.Millisecond

func atLeastOne(key string, value int) error {
	if value < 1 {
		return at(key, fmt.Errorf("%d is less than 1", value))
	}
	return nil
}

// longestTTL is the longest that AliDNS takes, a day in seconds.
const longestTTL = 86400

func buildDNS(config *Config, doc document) error {
	var wrong mistakes
	quorum, err := dnsvalidate.ParseQuorum(doc.DNS.Quorum)
	if percent := doc.DNS.Quorum + "%"; err != nil {
		if _, wrong := dnsvalidate.ParseQuorum(percent); wrong == nil {
			err = hint.Add(err, fmt.Sprintf("did you mean %q?", percent))
		}
	}
	wrong.at("dns.quorum", err)
	propagationTimeout, err := ParseDuration(doc.DNS.PropagationTimeout)
	wrong.at("dns.propagation_timeout", err)
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
		*list.into, err = hostPorts(list.given)
		wrong.at("dns."+list.key, err)
	}
	settings.Delegate, err = normaliseAny(doc.DNS.Delegate)
	wrong.at("dns.delegate", err)
	issuers, err := normaliseAny(doc.DNS.CAAIssuers)
	wrong.at("dns.caa_issuers", err)
	if ttl := doc.DNS.TTL; ttl < 1 || ttl > longestTTL {
		wrong.at("dns.ttl", fmt.Errorf("%d seconds is not from 1 to %d", ttl, longestTTL))
	}
	config.DNS = DNS{
		Settings:           settings,
		CAAIssuers:         issuers,
		TTL:                doc.DNS.TTL,
		PropagationTimeout: propagationTimeout,
	}
	return wrong.err()
}

func hostPorts(addresses []string) ([]string, error) {
	var all []string
	var wrong mistakes
	for _, text := range addresses {
		read, err := hostPort(text, "53")
		wrong.add(err)
		all = append(all, read)
	}
	return all, wrong.err()
}

// hostPort is text with the host as address.Host spells it; usual is a port that goes
// with it, or "".
func hostPort(text, usual string) (string, error) {
	host, port, err := address.Split(text)
	if err != nil && strings.Contains(text, "@") { // a password may stand in front of it
		return "", hint.Add(err, "write host:port alone: a user and a password have keys of their own")
	}
	if err != nil {
		return "", hint.Add(fmt.Errorf("%q %w", text, err), addressHint(text, usual))
	}
	return net.JoinHostPort(host, port), nil
}

func buildHooks(config *Config, doc document) error {
	var wrong mistakes
	for i, table := range doc.Hook {
		key := fmt.Sprintf("hook[%d]", i)
		if len(table.On) == 0 {
			wrong.at(key+".on", fmt.Errorf("no event is given (%s)", strings.Join(hooks.Events, ", ")))
		}
		for _, event := range table.On {
			if !slices.Contains(hooks.Events, event) {
				wrong.at(key+".on", noneOf(event, hooks.Events))
			}
		}
		wrong.at(key+".command", checkCommand(table.Command))
		timeout, err := optionalDuration(table.Timeout)
		wrong.at(key+".timeout", err)
		config.Hooks = append(config.Hooks, hooks.Hook{On: table.On, Command: table.Command, Timeout: timeout})
	}
	return wrong.err()
}

// checkCommand refuses what no program can be started with.
func checkCommand(argv []string) error {
	switch {
	case len(argv) == 0 || argv[0] == "":
		return errors.New("no command is given")
	case strings.ContainsRune(strings.Join(argv, ""), 0):
		return errors.New("no argument of a program can hold a NUL")
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
