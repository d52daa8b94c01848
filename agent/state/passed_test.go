package state

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// fault 182
func TestWhereNoServiceAnswersItIsSaidWhatElseRenews(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.Local)
	passed := func(ago time.Duration, by string) func(t *testing.T, d Dir) {
		return func(t *testing.T, d Dir) {
			if err := d.NotePassed(Passed{At: now.Add(-ago), By: by}); err != nil {
				t.Fatal(err)
			}
		}
	}
	zone, _ := now.Zone()
	for _, tt := range []struct {
		name  string
		left  func(t *testing.T, d Dir)
		text  string
		alarm bool
	}{
		{"nothing ever did", func(*testing.T, Dir) {}, "nothing renews here: no service runs, and no renew has been run yet", true},
		{"a timer does", passed(3*time.Hour, "dvagent renew"),
			"no service runs; the last renew was 3 hours ago (2026-03-10 09:00 " + zone + ")", false},
		{"a timer did", passed(72*time.Hour, "dvagent renew"),
			"nothing renews here: no service runs, and the last renew was 3 days ago (2026-03-07 12:00 " + zone + ")", true},
		{"a service did until just now", passed(3*time.Minute, ServiceCaller),
			"no service runs; the last one worked 3 minutes ago (2026-03-10 11:57 " + zone + ")", false},
		{"a service did", passed(72*time.Hour, ServiceCaller),
			"nothing renews here: no service runs, and the last one worked 3 days ago (2026-03-07 12:00 " + zone + ")", true},
		{"a renew has just ended", passed(0, "dvagent renew"),
			"no service runs; the last renew was just now (2026-03-10 12:00 " + zone + ")", false},
		{"a renew has ended by a clock that is a moment ahead", passed(-2*time.Second, "dvagent renew"),
			"no service runs; the last renew was just now (2026-03-10 12:00 " + zone + ")", false},
		{"a renew had a clock of another year", passed(-240*time.Hour, "dvagent renew"),
			"nothing renews here: no service runs, and the last renew was at a time that is yet to come (2026-03-20 12:00 " + zone + ")", true},
		{"a service had a clock of another year", passed(-240*time.Hour, ServiceCaller),
			"nothing renews here: no service runs, and the last one worked at a time that is yet to come (2026-03-20 12:00 " + zone + ")", true},
		{"something that is no file stands in place of the note", func(t *testing.T, d Dir) {
			if err := syscall.Mkfifo(d.passed(), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "nothing renews here: no service runs, and no renew has been run yet", true},
		{"a pipe stands in place of the service's lock", func(t *testing.T, d Dir) {
			if err := syscall.Mkfifo(d.serviceLock(), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "nothing renews here: no service runs, and no renew has been run yet", true},
		{"a service is there and silent", func(t *testing.T, d Dir) {
			if _, err := d.LockService(t.Context(), Caller{Who: ServiceCaller}); err != nil {
				t.Fatal(err)
			}
		}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := Dir(t.TempDir())
			tt.left(t, dir)
			got := dir.Unattended(now)
			if tt.text != "" && got.Text != tt.text || got.Text == "" || got.Alarm != tt.alarm {
				t.Errorf("got %+v", got)
			}
			if clock := strings.HasPrefix(got.Hint(), "see whether the clock"); clock != strings.Contains(tt.text, "yet to come") {
				t.Errorf("its hint is %s", got.Hint())
			}
		})
	}
}
