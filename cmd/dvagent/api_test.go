package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// orderings are the ways to order: on an instance by either version of CAS, or
// from a package.
var orderings = []string{sandbox.API2018, sandbox.API2020, fromPackage, byFile}

const (
	fromPackage = "a package"
	byFile      = "an instance, by file" // of 2020-04-07
)

// ofEachOrdering tries each way.
func ofEachOrdering(t *testing.T, try func(t *testing.T, ordering string)) {
	t.Parallel()
	for _, ordering := range orderings {
		t.Run("of "+ordering, func(t *testing.T) {
			t.Parallel()
			try(t, ordering)
		})
	}
}

// applied N INSTANCES checks that 2020-04-07 accepted N applications, over that
// many instances.
func (s *stage) applied(ts *testscript.TestScript, args []string) {
	instances := 0
	for _, subscription := range s.sandbox.Subscriptions() {
		if subscription.Applications > 0 {
			instances++
		}
	}
	got := []string{strconv.Itoa(s.sandbox.Applied()), strconv.Itoa(instances)}
	if !slices.Equal(got, args) {
		ts.Fatalf("applications and instances are %v, not %v", got, args)
	}
}

// hosting on has the account renew by itself, in time, on each instance that has a
// certificate; hosting now has it do so at once.
func (s *stage) hosting(ts *testscript.TestScript, args []string) {
	for _, subscription := range s.sandbox.Subscriptions() {
		switch {
		case len(subscription.Certificates) == 0:
		case args[0] == "on":
			ts.Check(s.sandbox.SetAutoReissue(subscription.InstanceID, true))
		default:
			ts.Check(s.sandbox.Reissue(subscription.InstanceID))
		}
	}
}

// ownkey FILE checks that the private key in the file was made here.
func (s *stage) ownkey(ts *testscript.TestScript, args []string) {
	ts.Check(ownKey(s.sandbox, ts.MkAbs(args[0])))
}

// ownKey checks that there was a certificate request for the private key in the
// file, and that no request sent a key to the API.
func ownKey(s *sandbox.Sandbox, file string) error {
	key, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	id, err := bundle.KeyID(key)
	if err != nil {
		return err
	}
	onInstance := func(s sandbox.Subscription) bool { return s.KeyHash == id }
	ofPackage := func(o sandbox.PackageOrder) bool { return o.KeyHash == id }
	if !slices.ContainsFunc(s.Subscriptions(), onInstance) && !slices.ContainsFunc(s.PackageOrders(), ofPackage) {
		return fmt.Errorf("no request is for the key of %s", file)
	}
	for _, request := range s.History() {
		for name, value := range request.Params {
			if strings.Contains(value, "PRIVATE KEY") {
				return fmt.Errorf("%s sends a private key as %s", request.Action, name)
			}
		}
	}
	return nil
}
