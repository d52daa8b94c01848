package main

import (
	"os"
	"regexp"
	"testing"

	"dvagent/internal/sandbox"
)

func TestTheDocsHaveEachFlagOfTheSandbox(t *testing.T) {
	text, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`--[^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = true
		}
	}
	usages := new(cli).sandboxCommand().Flags().FlagUsages()
	for _, name := range regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(usages, -1) {
		if !documented[name[1]] {
			t.Errorf("--%s is not in the table", name[1])
		}
		delete(documented, name[1])
	}
	for name := range documented {
		t.Errorf("there is no --%s", name)
	}
}

func TestWhatTheSandboxHoldsIsRead(t *testing.T) {
	for _, test := range []struct {
		name     string
		given    sandboxSpecs
		contacts []string // names; nil for the sandbox's own
		refused  bool
	}{
		{"nothing", sandboxSpecs{}, nil, false},
		{"a package", sandboxSpecs{packages: []string{"digicert-free-1-free:20"}}, nil, false},
		{"a package without a count", sandboxSpecs{packages: []string{"digicert-free-1-free"}}, nil, true},
		{"two contacts", sandboxSpecs{contacts: []string{"A,1,a@example.com", "B,2"}}, []string{"A", "B"}, false},
		{"no contact", sandboxSpecs{contacts: []string{""}}, []string{}, false},
		{"a contact without a mobile", sandboxSpecs{contacts: []string{"A"}}, nil, true},
		{"a fault of no kind", sandboxSpecs{faults: []string{"nonsense"}}, nil, true},
		{"a fault of an error code", sandboxSpecs{faults: []string{"code-InsufficientQuota:CreateCertificateForPackageRequest:1"}}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var o sandbox.Options
			if err := test.given.read(&o); (err != nil) != test.refused {
				t.Fatal(err)
			}
			if len(o.Contacts) != len(test.contacts) || (o.Contacts == nil) != (test.contacts == nil) {
				t.Fatalf("%+v", o.Contacts)
			}
			for i, c := range o.Contacts {
				if c.Name != test.contacts[i] {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}
