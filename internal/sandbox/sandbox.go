// Package sandbox is a stand-in for Alibaba Cloud on loopback: the certificate
// service (CAS 2018-07-13 and 2020-04-07), AliDNS 2015-01-09 and AssumeRole of
// STS at one HTTP address, authoritative name servers, and a certification
// authority that looks a record up by a real query before it issues. It is
// written from the API's reference, shares no code with the agent, and any
// client that signs its requests can drive it.
//
// It does not try to be a cloud: state lives in memory and ends with Close,
// nothing is charged, and every address that it listens at is loopback. With
// no fault configured it never misbehaves.
package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// Sandbox is a running stand-in. Its methods may be called by several goroutines.
type Sandbox struct {
	options Options
	dir     string
	ownsDir bool

	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	zones     *zones
	servers   []*nameServer
	authority *authority
	keys      *keyring
	cas       *cas
	faults    *faults
	history   *history

	api        *server
	management *server
}

// Start brings everything up; all addresses are listening when it returns.
// It fails when an address is not loopback or is taken, a zone's name is
// malformed, a fault makes no sense, or the directory cannot be written.
func Start(o Options) (*Sandbox, error) {
	o, err := o.completed()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{options: o, history: &history{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	steps := []func() error{s.startNameServers, s.startAuthority, s.startAPI, s.startManagement}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Sandbox) startNameServers() error {
	zones, err := newZones(s.options)
	if err != nil {
		return err
	}
	s.zones = zones
	for i := range s.options.NameServers {
		address := s.options.DNS
		if i > 0 {
			address = anyPort
		}
		n, err := startNameServer(s.options.Network, address, zones, s.options.delay(i))
		if err != nil {
			return err
		}
		s.servers = append(s.servers, n)
	}
	return nil
}

func (s *Sandbox) startAuthority() (err error) {
	if s.dir = s.options.Dir; s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "sandbox-"); err != nil {
			return err
		}
		s.ownsDir = true
	}
	if s.authority, err = newAuthority(s.options.Lifetime); err != nil {
		return err
	}
	return os.WriteFile(s.caFile(), s.authority.rootPEM(), 0o644)
}

// startAPI brings up the account with its instances, the CA's validator, and the API.
func (s *Sandbox) startAPI() (err error) {
	s.keys = newKeyring(s.options.AccessKeyID, s.options.AccessKeySecret)
	s.faults = newFaults(s.options.Seed)
	if err := s.faults.set(s.options.Faults); err != nil {
		return err
	}
	s.cas = newCAS(s.zones, s.authority)
	s.cas.issueAfter, s.cas.reissueAfter, s.cas.keyType = s.options.IssueAfter, s.options.ReissueAfter, s.options.KeyType
	s.fillAccount()
	v := s.newValidator()
	s.done.Go(func() { v.run(s.ctx) })
	s.api, err = listen(s.options.Network, s.options.Listen, s.newGateway())
	if err != nil || !s.faults.refusing() {
		return err
	}
	return s.api.setOpen(false)
}

// fillAccount buys what the options ask for.
func (s *Sandbox) fillAccount() {
	for range s.options.Instances {
		s.AddInstance("DV", "BUY", "PAYED", "")
	}
	for range s.options.TestInstances {
		s.AddSubscription(Subscription{InstanceType: "TEST"})
	}
	for _, p := range s.options.Packages {
		s.cas.packages = append(s.cas.packages, &Package{ProductCode: p.ProductCode, Total: p.Total})
	}
	for _, c := range s.options.Contacts {
		s.cas.addContact(c)
	}
}

func (s *Sandbox) startManagement() (err error) {
	s.management, err = listen(s.options.Network, s.options.Management, s.managementHandler())
	return err
}

// Close stops every server, goroutine and connection, and removes the
// directory when it was the sandbox's own. It waits for the work in progress, a second or two at most.
func (s *Sandbox) Close() error {
	s.stop()
	var errs []error
	for _, server := range []*server{s.api, s.management} {
		if server != nil {
			errs = append(errs, server.close())
		}
	}
	for _, n := range s.servers {
		errs = append(errs, n.close())
	}
	s.done.Wait()
	if s.cas != nil {
		s.cas.keys.Wait()
	}
	if s.ownsDir {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Ready is what a client needs to know; it marshals to the line that
// `dvagent sandbox` prints.
type Ready struct {
	API             string   `json:"api"` // URL of CAS, AliDNS and STS
	DNS             []string `json:"dns"` // host:port of each name server
	AccessKeyID     string   `json:"access_key_id"`
	AccessKeySecret string   `json:"access_key_secret"`
	Zones           []string `json:"zones"`
	CAFile          string   `json:"ca_file"`    // the root certificate, PEM
	Management      string   `json:"management"` // URL
}

// Ready tells the addresses and credentials of the running sandbox.
func (s *Sandbox) Ready() Ready {
	r := Ready{
		API:        s.api.url(),
		DNS:        s.nameServers(),
		Zones:      s.options.Zones,
		CAFile:     s.caFile(),
		Management: s.management.url(),
	}
	r.AccessKeyID, r.AccessKeySecret = s.keys.main()
	return r
}

func (s *Sandbox) nameServers() []string {
	var addresses []string
	for _, n := range s.servers {
		addresses = append(addresses, n.address)
	}
	return addresses
}

func (s *Sandbox) caFile() string { return filepath.Join(s.dir, "ca.pem") }

// SetAccessKey replaces the account's key: the old one is unknown from now on.
func (s *Sandbox) SetAccessKey(id, secret string) { s.keys.replace(id, secret) }

// SetFaults replaces the faults in force; none means that all is well again.
// It fails, and changes nothing, on a fault that ParseFault would refuse, and
// when the API's port, which a fault closed, cannot be opened again.
func (s *Sandbox) SetFaults(list ...Fault) error {
	if err := s.faults.set(list); err != nil {
		return err
	}
	return s.api.setOpen(!s.faults.refusing())
}
