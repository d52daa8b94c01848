package main

import (
	"testing"
	"time"

	"dvagent/internal/aliyun"
)

func TestOnlyExpiredUploadsArePrunableOf2020(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long, hour := now.AddDate(0, -1, 0), now.Add(-time.Hour)
	for _, tt := range []struct {
		name           string
		source, status string
		end            time.Time
		want           bool
	}{
		{"an expired upload", "UPLOAD", "expired", long, true},
		{"one that is spelled otherwise", "upload", "EXPIRED", long, true},
		{"one that Alibaba sold", "BUY", "expired", long, false},
		{"one of a test", "TEST", "expired", long, false},
		{"one of a source that is not known", "", "expired", long, false},
		{"one whose date has not come", "UPLOAD", "expired", now.AddDate(0, 1, 0), false},
		{"one that ended an hour ago", "UPLOAD", "expired", hour, false},
		{"one that was revoked", "UPLOAD", "revoked", long, false},
		{"one without a date", "UPLOAD", "expired", time.Time{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := aliyun.ListedCertificate{Source: tt.source, Status: aliyun.Status(tt.status), NotAfter: tt.end}
			if got := prunable2020(x, now); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestATelephoneNumberIsMaskedButForFourDigits(t *testing.T) {
	for number, want := range map[string]string{"13300001234": "*******1234", "+86 13300001234": "***********1234", "1234": "1234", "": ""} {
		if got := masked(number); got != want {
			t.Errorf("%q: %q", number, got)
		}
	}
}
