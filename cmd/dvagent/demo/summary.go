package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// summary is the closing table. What it says was counted, not assumed.
func (d *demo) summary(context.Context) error {
	used, left := d.sandbox.Submitted(), d.recordsLeft()
	handshakes, failed := d.traffic.counts()
	d.row("served first", "…"+tail(d.first))
	d.row("served now", "…"+tail(d.second)+", valid until "+d.second.NotAfter.Format(time.DateOnly))
	d.row("instances used", fmt.Sprintf("%d of %d", used, len(d.sandbox.Instances())))
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
	case used != 2:
		return fmt.Errorf("%d instances were used for two certificates", used)
	}
	return nil
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
