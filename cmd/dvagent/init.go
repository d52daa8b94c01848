package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent/setup"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/secret"
)

// start makes the first configuration: from flags, from answers, and from what
// the host and the account have.
type start struct {
	*questions
	doc    setup.Document
	deploy string // a server of package setup, "none", or "" for what is found
	enable string // service, timer or no; "" asks
	keyIn  string // the file with the secret, or "-" for standard input
	quiet  bool   // ask nothing: flags say all, and what is shown is done

	service servant
	secret  string // that is to be written; "" where a file has it already
	sites   []setup.Site
	notes   []string // what is left to a person
	made    []string // the files that were written
}

func (c *cli) initCommand() *cobra.Command {
	s := &start{questions: newQuestions(c)}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Look at this host and the account, and write a first agent.toml",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&s.doc.Domains, "domain", nil, "a `DOMAIN` of the certificate; may be given again")
	flags.StringVar(&s.doc.Name, "name", "", "name of the certificate (the first domain when not given)")
	flags.StringVar(&s.doc.KeyID, "access-key-id", "", "id of the account's access key")
	flags.StringVar(&s.keyIn, "access-key-secret-file", "", "the `FILE` that holds the secret of the access key; - is standard input")
	flags.StringVar(&s.doc.RAMRole, "ram-role", "", "the RAM `ROLE` of this ECS instance, in place of an access key")
	flags.Int64Var(&s.doc.Contact.ID, "contact-id", 0, "whom the CA may call: a `ContactId` of the account")
	flags.StringVar(&s.doc.Contact.Username, "contact-name", "", "the name of the person whom the CA may call")
	flags.StringVar(&s.doc.Contact.Mobile, "contact-mobile", "", "that person's mobile number")
	flags.StringVar(&s.doc.Contact.Email, "contact-email", "", "that person's e-mail address")
	flags.StringVar(&s.doc.Contact.Province, "contact-province", "", "that person's province, for CAS 2018-07-13")
	flags.StringVar(&s.doc.Contact.City, "contact-city", "", "that person's city, for CAS 2018-07-13")
	flags.StringVar(&s.doc.Webroot, "webroot", "", "prove the domains by a file in this `DIRECTORY`, which a web server shows at their port 80, in place of DNS")
	flags.StringVar(&s.deploy, "deploy", "", "the `SERVER` to install for: nginx, apache2, haproxy or none (what is found when not given)")
	flags.StringVar(&s.doc.StateDir, "state-dir", "", "another state directory than the default")
	flags.StringVar(&s.doc.Endpoints.CAS, "cas-endpoint", "", "another `HOST` or URL of CAS")
	flags.StringVar(&s.doc.Endpoints.DNS, "dns-endpoint", "", "another `HOST` or URL of AliDNS")
	flags.StringVar(&s.doc.Endpoints.CAFile, "ca-file", "", "the CAs of these endpoints, PEM")
	flags.StringArrayVar(&s.doc.DNS.Resolvers, "resolver", nil, "an `ADDRESS` to resolve with, host:port; may be given again")
	flags.StringArrayVar(&s.doc.DNS.NameServers, "nameserver", nil, "an `ADDRESS` of the zones' name servers as this network sees them; may be given again")
	flags.StringVar(&s.enable, "enable", "", "what to enable then: service, timer or no")
	flags.BoolVar(&s.quiet, "non-interactive", false, "ask nothing: the flags say all, and what is shown is done")
	return cmd
}

func (s *start) run(ctx context.Context) error {
	path, err := filepath.Abs(s.c.configPath)
	if err != nil {
		return err
	}
	s.c.configPath = path
	if err := s.refuse(); err != nil {
		return usageError{err}
	}
	s.doc.At, s.doc.Language, s.service = time.Now(), s.c.language(), serviceOf(s.doc.StateDir)
	for _, step := range []func(context.Context) error{s.account, s.lookAtSites, s.domains, s.contact, s.target, s.confirm, s.write} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.say("\n")
	checked := s.again(ctx, "check", "--online")
	for _, note := range s.notes {
		s.say("to do: %s\n", note)
	}
	if checked != nil {
		return checked
	}
	return s.start(ctx)
}

// refuse fails where nothing is to be asked: init replaces nothing.
func (s *start) refuse() error {
	if _, err := os.Lstat(s.c.configPath); err == nil {
		return hint.Add(fmt.Errorf("%s is there already, and init replaces nothing", s.c.configPath),
			"edit it and run dvagent check, or give --config another file")
	}
	if !slices.Contains([]string{"", "service", "timer", "no"}, s.enable) {
		return fmt.Errorf("--enable %q is none of service, timer, no", s.enable)
	}
	if _, known := serverOf(s.deploy); !known && s.deploy != "" && s.deploy != "none" {
		return fmt.Errorf("--deploy %q is none of nginx, apache2, haproxy, none", s.deploy)
	}
	if !s.quiet && !s.terminal() {
		return hint.Add(errors.New("standard input is no terminal, and nobody can be asked"), "say all with flags, and --non-interactive")
	}
	return nil
}

func serverOf(name string) (setup.Server, bool) {
	at := slices.IndexFunc(setup.Servers, func(server setup.Server) bool { return server.Name == name })
	if at < 0 {
		return setup.Server{}, false
	}
	return setup.Servers[at], true
}

// need asks for what a flag has not said.
func (s *start) need(value *string, flag, question, proposal string) error {
	switch {
	case *value != "":
		return nil
	case !s.quiet:
		var err error
		*value, err = s.ask(question, proposal)
		return err
	case proposal != "":
		*value = proposal
		return nil
	}
	return usageError{fmt.Errorf("--%s is missing", flag)}
}

// account asks for the access key and tries it by asking what the account has.
func (s *start) account(ctx context.Context) error {
	if s.doc.RAMRole == "" {
		if err := s.need(&s.doc.KeyID, "access-key-id", "AccessKey ID", ""); err != nil {
			return err
		}
		if err := s.readSecret(); err != nil {
			return err
		}
	}
	client, err := s.client()
	if err != nil {
		return usageError{err}
	}
	if err := s.lookAtAccount(ctx, client, s.doc.Webroot != ""); err != nil {
		return err
	}
	s.say("the account has %d DV instances, %d contacts and these zones: %s\n", s.has.instances, len(s.has.contacts),
		cmp.Or(line.Of(strings.Join(s.has.zones, ", ")), "none"))
	return nil
}

// readSecret finds the secret in the file that was named, or asks for it. What no
// file of this host keeps is written beside agent.toml.
func (s *start) readSecret() (err error) {
	switch {
	case s.keyIn == "-":
		s.secret, err = s.line()
	case s.keyIn != "":
		s.doc.SecretFile, err = filepath.Abs(s.keyIn)
	case s.quiet:
		return usageError{errors.New("--access-key-secret-file is missing")}
	default:
		s.secret, err = s.askSecret("AccessKey Secret")
	}
	if s.secret != "" {
		s.doc.SecretFile = filepath.Join(filepath.Dir(s.c.configPath), "secret")
		if _, exists := os.Lstat(s.doc.SecretFile); exists == nil {
			return usageError{hint.Add(fmt.Errorf("%s is there already, and init replaces nothing", s.doc.SecretFile),
				"give it as --access-key-secret-file, if the secret is in it")}
		}
	}
	return err
}

func (s *start) client() (*aliyun.Client, error) {
	at := s.doc.Endpoints
	keys := aliyun.Credentials{RAMRole: s.doc.RAMRole}
	if s.doc.KeyID != "" {
		keys.AccessKeyID, keys.AccessKeySecret = secret.Secret{Literal: s.doc.KeyID}, secret.Secret{File: s.doc.SecretFile}
		if s.secret != "" {
			keys.AccessKeySecret = secret.Secret{Literal: s.secret}
		}
	}
	return aliyun.New(aliyun.Config{Credentials: keys, CASEndpoint: at.CAS, DNSEndpoint: at.DNS, CAFile: at.CAFile})
}
