package view

import (
	"path/filepath"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/journal"
)

// holdings are those of the ledger of instances. While it cannot be read, which
// fails each pass, none is known.
type holdings struct {
	ledger *order.Instances
	err    error
}

// holding is what a certificate has for its renewal.
type holding struct {
	claim order.Claim
	left  *order.Left // of the package that it is ordered from; nil: there is none, or it is not known
}

func readHoldings(dir state.Dir) holdings {
	ledger, err := order.LoadInstances(dir.Instances())
	return holdings{ledger, err}
}

func (h holdings) of(certificate config.Certificate) holding {
	if h.ledger == nil {
		return holding{}
	}
	claim, _ := h.ledger.ClaimOf(certificate.Account, certificate.Name)
	return holding{claim, h.ledger.Left(certificate.Account, certificate.Package)}
}

func (h holding) renewal(s state.Snapshot, now time.Time) state.Renewal {
	r := s.Renewal(now, h.claim)
	r.Left = h.left
	return r
}

// bought is the instance that was claimed; an order from a package has none.
func bought(instance, product string) string {
	if product != "" {
		return ""
	}
	return instance
}

// addLedgers adds what is of no certificate alone. What cannot be read is told beside
// what can.
func (s *Status) addLedgers(host *state.Host, has holdings) {
	var err error
	s.Damaged = damagedFiles(host.Dir, s.Certificates)
	s.Damaged = unread(s.Damaged, host.Dir.Instances(), has.err)
	s.Orphans, err = orphans(host)
	s.Damaged = unread(s.Damaged, host.Dir.Certificate(""), err)
	s.Records, err = owedRecords(host.Dir)
	s.Damaged = unread(s.Damaged, host.Dir.Records(), err)
	s.Notify, err = failedChannels(host)
	s.Damaged = unread(s.Damaged, host.Dir.Notices(), err)
}

// unread adds a file to the damaged ones where it cannot be read.
func unread(damaged []DamagedFile, file string, err error) []DamagedFile {
	if err == nil {
		return damaged
	}
	return append(damaged, DamagedFile{File: file, Error: err.Error()})
}

// orphans finds open orders of certificates that are not configured.
func orphans(host *state.Host) ([]OrphanStatus, error) {
	names, err := host.Dir.Certificates()
	if err != nil {
		return nil, err
	}
	configured := map[string]bool{}
	for _, certificate := range host.Config.Certificates {
		configured[certificate.Name] = true
	}
	var orphans []OrphanStatus
	for _, name := range names {
		if configured[name] {
			continue
		}
		switch o, err := order.Load(host.Dir.Certificate(name)); {
		case err != nil:
			orphans = append(orphans, OrphanStatus{Certificate: name, Error: err.Error(), Next: seeWhy(err)})
		case o != nil && o.Step() != order.Done:
			orphans = append(orphans, OrphanStatus{Certificate: name, Order: *orderStatus(o),
				Next: "put the certificate back into the configuration, or: dvagent abandon " + name})
		}
	}
	return orphans, nil
}

// owedRecords lists what the ledger of records holds.
func owedRecords(dir state.Dir) ([]RecordStatus, error) {
	owed, err := order.LoadOwed(dir.Records())
	if err != nil {
		return nil, err
	}
	var records []RecordStatus
	for _, entry := range owed.All() {
		r := entry.Record
		status := RecordStatus{Certificate: entry.Certificate, Zone: r.Zone, Name: r.Name, RecordID: r.RecordID}
		if r.Kind == order.File {
			status.File, status.RecordID = filepath.Join(r.Zone, r.RR), ""
		}
		records = append(records, status)
	}
	return records, nil
}

// damagedFiles lists the ledgers, and the journals of the certificates, that
// have lines which cannot be read.
func damagedFiles(dir state.Dir, certificates []CertificateStatus) []DamagedFile {
	var damage []journal.Damage
	if instances, err := order.LoadInstances(dir.Instances()); err == nil {
		damage = append(damage, instances.Damage())
	}
	if owed, err := order.LoadOwed(dir.Records()); err == nil {
		damage = append(damage, owed.Damage())
	}
	for _, c := range certificates {
		damage = append(damage, c.damage...)
	}
	var files []DamagedFile
	for _, d := range damage {
		if d.Lines > 0 {
			files = append(files, DamagedFile{File: d.File, Lines: d.Lines})
		}
	}
	return files
}
