package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/internal/words"

	"dvagent/internal/sandbox"
)

// summary is the closing table. What it says was counted, not assumed.
func (d *demo) summary(context.Context) error {
	instances, left, sent := d.instancesUsed(), d.recordsLeft(), keysSent(d.sandbox.History())
	handshakes, failed := d.traffic.counts()
	d.row("served first", "…"+tail(d.first))
	d.row("served now", "…"+tail(d.second)+", valid until "+words.Date(d.second.NotAfter))
	d.row("instances used", fmt.Sprintf("%d of %d", instances, len(d.sandbox.Instances())))
	d.row("private keys sent", fmt.Sprint(sent))
	d.row("TXT records left", fmt.Sprint(left))
	d.row("API calls", fmt.Sprint(len(d.sandbox.History())))
	d.row("handshakes during the renewal", fmt.Sprintf("%d, of which %d failed", handshakes, failed))
	d.row("reloaded", d.server.kind)
	d.row("took", time.Since(d.started).Round(100*time.Millisecond).String())
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d handshakes failed during the renewal", failed, handshakes)
	case handshakes == 0:
		return errors.New("no client came during the renewal")
	case left > 0:
		return fmt.Errorf("%d TXT records were left behind", left)
	case sent > 0:
		return fmt.Errorf("%d private keys were sent to the account", sent)
	}
	return d.paid(instances)
}

// paid checks that two certificates were ordered, and what they cost: an
// instance each in 2018-07-13, and one for both in 2020-04-07.
func (d *demo) paid(instances int) error {
	ordered, want := d.sandbox.Submitted()+d.sandbox.Applied(), 2
	if d.api == sandbox.API2020 {
		want = 1
	}
	if ordered != 2 || instances != want {
		return fmt.Errorf("%d certificates were ordered, and %d instances used, instead of 2 and %d", ordered, instances, want)
	}
	return nil
}

// instancesUsed counts the instances that a certificate was ordered of.
func (d *demo) instancesUsed() int {
	used := d.sandbox.Submitted() // each takes an instance of its own
	for _, subscription := range d.sandbox.Subscriptions() {
		if subscription.Applications > 0 {
			used++
		}
	}
	return used
}

// uploads are the actions whose parameter Key is a private key, which the
// sandbox does not remember.
var uploads = []string{"CreateUserCertificate", "UploadUserCertificate"}

// keysSent counts the requests that held a private key.
func keysSent(requests []sandbox.Request) int {
	sent := 0
	for _, request := range requests {
		secret := slices.Contains(uploads, request.Action)
		for _, value := range request.Params {
			secret = secret || strings.Contains(value, "PRIVATE KEY")
		}
		if secret {
			sent++
		}
	}
	return sent
}

func (d *demo) row(name, value string) { fmt.Fprintf(d.out, "  %-29s  %s\n", name, value) }

// recordsLeft counts the TXT records in the zones.
func (d *demo) recordsLeft() int {
	left := 0
	for _, zone := range d.sandbox.Ready().Zones {
		for _, record := range d.sandbox.Records(zone) {
			if record.Type == "TXT" {
				left++
			}
		}
	}
	return left
}
