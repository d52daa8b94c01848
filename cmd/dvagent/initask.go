package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"dvagent/agent/setup"
	"dvagent/internal/aliyun"
	"dvagent/internal/command"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

// questions asks the person at the terminal.
type questions struct {
	c   *cli
	in  *bufio.Reader
	has holdings
}

// holdings is what the account has.
type holdings struct {
	zones     []string
	instances int
	contacts  []aliyun.ListedContact
	older     bool // it speaks CAS 2018-07-13, which has no contacts
}

func newQuestions(c *cli) *questions {
	return &questions{c: c, in: bufio.NewReaderSize(os.Stdin, mostAnswer)}
}

func (q *questions) say(format string, args ...any) { q.c.printf(format, args...) }

func (q *questions) terminal() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

// mostAnswer bounds a line that is typed.
const mostAnswer = 4096

func (q *questions) line() (string, error) {
	text, err := q.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read an answer: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// ask wants an answer that is not empty; the proposal is one.
func (q *questions) ask(question, proposal string) (string, error) {
	for range 5 {
		q.say("%s", question)
		if proposal != "" {
			q.say(" [%s]", proposal)
		}
		q.say(": ")
		answer, err := q.line()
		if err != nil {
			return "", err
		}
		if answer == "" {
			answer = proposal
		}
		if answer != "" {
			return answer, nil
		}
	}
	return "", usageError{errors.New("no answer was given")}
}

func (q *questions) askSecret(question string) (string, error) {
	q.say("%s: ", question)
	text, err := term.ReadPassword(int(os.Stdin.Fd()))
	q.say("\n")
	if err != nil {
		return "", fmt.Errorf("read an answer: %w", err)
	}
	if len(text) == 0 {
		return "", usageError{errors.New("no answer was given")}
	}
	return strings.TrimSpace(string(text)), nil
}

// yes asks a question whose answer is no, unless somebody says yes.
func (q *questions) yes(format string, args ...any) bool {
	q.say(format, args...)
	q.say(" [y/N] ")
	answer, _ := q.line()
	return slices.Contains([]string{"y", "yes", "是"}, strings.ToLower(answer))
}

// lookAtAccount asks for zones, instances and contacts, which are the calls that
// every order needs the rights for; one that files prove needs no zones.
func (q *questions) lookAtAccount(ctx context.Context, client *aliyun.Client, byFile bool) error {
	if !byFile {
		zones, err := client.DescribeDomains(ctx)
		if err != nil {
			return err
		}
		for _, zone := range zones {
			q.has.zones = append(q.has.zones, zone.Name)
		}
		slices.Sort(q.has.zones)
	}
	instances, err := client.ListInstances(ctx, aliyun.InstanceFilter{CertificateType: "DV"})
	if aliyun.Is(err, aliyun.VersionUnknown) {
		q.has.older = true
		return nil
	}
	if err != nil {
		return err
	}
	q.has.instances = len(instances)
	q.has.contacts, err = client.ListContact(ctx)
	return err
}

// provable says that the domain can be proved, as far as the account tells.
func (s *start) provable(domain string) bool {
	if s.doc.Webroot != "" {
		return !strings.HasPrefix(domain, "*.")
	}
	return s.hosted(strings.TrimPrefix(domain, "*."))
}

// hosted says that a zone of the account holds the domain.
func (q *questions) hosted(domain string) bool {
	return slices.ContainsFunc(q.has.zones, func(zone string) bool { return domain == zone || strings.HasSuffix(domain, "."+zone) })
}

func (s *start) lookAtSites(ctx context.Context) (err error) {
	if s.deploy != "" && s.deploy != "nginx" {
		return nil
	}
	if s.sites, err = setup.Sites(ctx); err != nil {
		s.say("warn  nginx: %s\n", line.Of(err.Error()))
	}
	for i := range s.sites {
		s.say("nginx serves %s with %s\n", cmp.Or(line.Of(strings.Join(s.sites[i].Names, ", ")), "any name"), line.Of(s.sites[i].Fullchain))
	}
	return nil
}

// domains proposes the names of the first site that the account can prove.
func (s *start) domains(context.Context) error {
	if len(s.doc.Domains) == 0 {
		var proposal []string
		for _, site := range s.sites {
			if proposal = slices.DeleteFunc(slices.Clone(site.Names), func(name string) bool { return !s.provable(name) }); len(proposal) > 0 {
				break
			}
		}
		answer := ""
		if err := s.need(&answer, "domain", "Domains of the certificate", strings.Join(proposal, " ")); err != nil {
			return err
		}
		s.doc.Domains = strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' || r == '，' })
	}
	if s.doc.Name == "" {
		s.doc.Name = strings.ToLower(strings.TrimPrefix(s.doc.Domains[0], "*."))
	}
	return s.webroot()
}

// webroot offers a file where a domain has no zone in the account. A file proves no
// wildcard.
func (s *start) webroot() error {
	foreign := slices.DeleteFunc(slices.Clone(s.doc.Domains), func(domain string) bool { return s.hosted(strings.TrimPrefix(domain, "*.")) })
	if s.doc.Webroot != "" || len(foreign) == 0 {
		return nil
	}
	for _, domain := range foreign {
		s.say("warn  no zone of the account holds %s; --webroot proves it by a file\n", domain)
	}
	wildcard := slices.ContainsFunc(s.doc.Domains, func(domain string) bool { return strings.HasPrefix(domain, "*.") })
	if s.quiet || wildcard || !s.yes("Prove the domains by a file that a web server shows at port 80?") {
		return nil
	}
	return s.need(&s.doc.Webroot, "webroot", "Directory that the web server shows", "/var/www/html")
}

// contact takes one of the account's, or asks who it is.
func (s *start) contact(context.Context) error {
	who := &s.doc.Contact
	if who.ID != 0 {
		return s.take(who.ID)
	}
	if who.Username != "" && who.Mobile != "" && who.Email != "" && !s.has.older {
		return nil
	}
	if len(s.has.contacts) > 0 {
		for _, c := range s.has.contacts {
			s.say("  %d  %s  %s  %s\n", c.ContactID, line.Of(c.Name), masked(c.Mobile), line.Of(c.Email))
		}
		answer := ""
		if err := s.need(&answer, "contact-id", "ContactId of the person whom the CA may call", onlyContact(s.has.contacts)); err != nil {
			return err
		}
		id, ok := setup.Number(answer)
		if !ok {
			return usageError{fmt.Errorf("%q is not a ContactId", answer)}
		}
		return s.take(id)
	}
	if !s.has.older {
		s.notes = append(s.notes, "create the contact in the SSL console, with this mobile number")
	}
	wanted := []struct {
		value          *string
		flag, question string
		older          bool // only CAS 2018-07-13 wants it
	}{
		{&who.Username, "contact-name", "Name of the person whom the CA may call", false}, {&who.Mobile, "contact-mobile", "Mobile number", false},
		{&who.Email, "contact-email", "E-mail address", false}, {&who.Province, "contact-province", "Province", true}, {&who.City, "contact-city", "City", true},
	}
	for _, w := range wanted {
		if w.older && !s.has.older {
			continue
		}
		if err := s.need(w.value, w.flag, w.question, ""); err != nil {
			return err
		}
	}
	return nil
}

// take notes the contact of that id.
func (s *start) take(id int64) error {
	at := slices.IndexFunc(s.has.contacts, func(c aliyun.ListedContact) bool { return c.ContactID == id })
	if at < 0 {
		return usageError{fmt.Errorf("the account has no contact %d", id)}
	}
	found, who := s.has.contacts[at], &s.doc.Contact
	who.ID, who.Username, who.Mobile, who.Email = id, found.Name, found.Mobile, found.Email
	return nil
}

func onlyContact(all []aliyun.ListedContact) string {
	if len(all) == 1 {
		return strconv.FormatInt(all[0].ContactID, 10)
	}
	return ""
}

// target chooses where the certificate goes: into the files that a site reads, or
// into a directory of its server's.
func (s *start) target(ctx context.Context) error {
	name := s.deploy
	if name == "" {
		name = "none"
		for _, server := range setup.Servers {
			if _, err := command.LookPath([]string{server.Name}); err == nil {
				name = server.Name
				break
			}
		}
		if !s.quiet {
			answer, err := s.ask("Server to install for: nginx, apache2, haproxy or none", name)
			if err != nil {
				return err
			}
			name = answer
		}
	}
	server, known := serverOf(name)
	switch {
	case name == "none":
		s.doc.WithoutSite = true
		return nil
	case !known:
		return usageError{hint.Add(fmt.Errorf("%q is none of nginx, apache2, haproxy, none", name), "none installs nothing yet")}
	}
	s.doc.Server, s.doc.Check, s.doc.Reload = server.Name, server.Check, server.Reload
	s.chooseSite(server)
	return nil
}

func (s *start) chooseSite(server setup.Server) {
	site, found := setup.Named(s.sites, s.doc.Domains)
	if found && server.Name == "nginx" && s.plain(site.Fullchain) && s.plain(site.Key) && (!s.service.apart() || alone([]string{site.Fullchain, site.Key})) {
		s.doc.Site = site
		return
	}
	s.doc.Site = server.Site(s.doc.Name)
	files := []string{s.doc.Site.Fullchain, s.doc.Site.Key}
	if s.doc.Site.Combined != "" {
		files = []string{s.doc.Site.Combined}
	}
	where := server.Name
	if found {
		where, s.doc.Site.Place = site.Place, site.Place
	}
	s.notes = append(s.notes, fmt.Sprintf("let %s read the certificate from %s", where, strings.Join(files, ", ")))
}
