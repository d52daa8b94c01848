package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"dvagent/agent/check"
	"dvagent/internal/hint"
)

// fault 189
func TestWhatFailsIsPrintedFirstAndWhatIsWellDoesNotBuryIt(t *testing.T) {
	var found []check.Finding
	for i := range 500 {
		found = append(found, check.Finding{Subject: fmt.Sprintf("host%d", i/5), OK: "can be written"})
	}
	found = append(found, check.Finding{Subject: "www", Warning: true, Err: errors.New("no probe")},
		check.Finding{Subject: "shop", Err: hint.Add(errors.New("no directory"), "make it")})
	const worst = "FAIL  shop: no directory (hint: make it)\nwarn  www: no probe\n"
	for _, tt := range []struct {
		name   string
		wanted checks
		found  []check.Finding
		want   string
		lines  int
	}{
		{"of many", checks{}, found, worst + "\nfailed: 1, warnings: 1, well: 500; dvagent check NAME", 4},
		{"of few", checks{}, found[495:], worst + "ok    host99: can be written\n", 9},
		{"of names", checks{names: []string{"www"}}, found, worst + "ok    host0: can be written\n", 504},
		{"quietly", checks{quiet: true}, found, worst, 2},
		{"quietly where all is well", checks{quiet: true}, found[:500], "", 0},
		{"as JSON", checks{asJSON: true}, found[499:], "[\n  {\n    \"level\": \"FAIL\",\n    \"subject\": \"shop\",\n    \"text\": \"no directory\",\n    \"hint\": \"make it\"\n  },\n", 18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := (&cli{stdout: &output{to: &out}}).printFindings(tt.wanted, tt.found); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); !strings.HasPrefix(got, tt.want) || strings.Count(got, "\n") != tt.lines {
				t.Errorf("%d lines:\n%.400s", strings.Count(got, "\n"), got)
			}
		})
	}
}
