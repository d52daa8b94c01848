package hooks_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/hooks"
	"dvagent/internal/command"
)

func TestMain(m *testing.M) {
	command.Supervise()
	m.Run()
}

// script writes an executable that prints its environment, one variable a
// line, each value followed by a mark.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const printEnv = "env | grep -v ^PWD="

func TestRunGivesTheContractsEnvironment(t *testing.T) {
	t.Setenv("PATH", "/usr/sbin:/usr/bin")
	t.Setenv("HOME", "/root")
	t.Setenv("LANG", "C")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary")
	base := []string{"HOME=/root", "LANG=C", "PATH=/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/sbin:/bin"}
	for _, test := range []struct {
		name  string
		event hooks.Event
		want  []string
	}{
		{"all variables are set", hooks.Event{
			Name: "deployed", Certificate: "www", Domains: []string{"example.com", "*.example.com"},
			VersionDir: "/state/versions/1", Fingerprint: "ab", PreviousFingerprint: "cd",
			NotAfter: time.Date(2027, 2, 3, 4, 5, 6, 0, time.FixedZone("CST", 8*3600)),
			CertID:   "7", CertIdentifier: "7-cn-hangzhou",
		}, []string{
			"DVAGENT_CERT=/state/versions/1/cert.pem", "DVAGENT_CERTIFICATE=www", "DVAGENT_CERT_ID=7",
			"DVAGENT_CERT_IDENTIFIER=7-cn-hangzhou", "DVAGENT_CHAIN=/state/versions/1/chain.pem",
			"DVAGENT_DOMAINS=example.com *.example.com", "DVAGENT_ERROR=", "DVAGENT_EVENT=deployed", "DVAGENT_FINGERPRINT=ab",
			"DVAGENT_FULLCHAIN=/state/versions/1/fullchain.pem", "DVAGENT_KEY=/state/versions/1/privkey.pem",
			"DVAGENT_NOT_AFTER=2027-02-02T20:05:06Z", "DVAGENT_PREVIOUS_FINGERPRINT=cd",
		}},
		{"what there is none of is empty, and a server's text is made safe", hooks.Event{ // fault 76
			Name: "failed", Certificate: "www", Error: "no\x00 \x1b[31mred\r\nDVAGENT_EVENT=issued \xff$(id) \u202e",
		}, []string{
			"DVAGENT_CERT=", "DVAGENT_CERTIFICATE=www", "DVAGENT_CERT_ID=", "DVAGENT_CERT_IDENTIFIER=", "DVAGENT_CHAIN=", "DVAGENT_DOMAINS=",
			"DVAGENT_ERROR=no   [31mred  DVAGENT_EVENT=issued ?$(id)  ", "DVAGENT_EVENT=failed", "DVAGENT_FINGERPRINT=",
			"DVAGENT_FULLCHAIN=", "DVAGENT_KEY=", "DVAGENT_NOT_AFTER=", "DVAGENT_PREVIOUS_FINGERPRINT=",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := []hooks.Hook{{On: []string{"deployed", "failed"}, Command: []string{script(t, printEnv)}}}
			results := hooks.Run(t.Context(), new(command.Shifts), all, test.event)
			if len(results) != 1 || results[0].Err != nil {
				t.Fatalf("results %+v", results)
			}
			got := strings.Split(strings.TrimSuffix(results[0].Output, "\n"), "\n")
			slices.Sort(got)
			if want := slices.Concat(test.want, base); !slices.Equal(got, want) {
				t.Errorf("environment:\n%q\nwant:\n%q", got, want)
			}
		})
	}
}

func TestRunPicksTheHooksThatListen(t *testing.T) {
	say := func(word string, on ...string) hooks.Hook {
		return hooks.Hook{On: on, Command: []string{script(t, "printf "+word)}}
	}
	fails := hooks.Hook{On: []string{"issued"}, Command: []string{script(t, "printf two; exit 4")}}
	missing := hooks.Hook{On: []string{"issued"}, Command: []string{"/no/such/hook"}}
	all := []hooks.Hook{say("one", "issued", "failed"), fails, say("three", "deployed"), missing, say("four", "issued")}

	var got []string
	for _, r := range hooks.Run(t.Context(), new(command.Shifts), all, hooks.Event{Name: "issued"}) {
		got = append(got, r.Output)
		if failed := r.ExitCode != 0; failed != (r.Err != nil) {
			t.Errorf("exit code %d with error %v", r.ExitCode, r.Err)
		}
	}
	if want := []string{"one", "two", "", "four"}; !slices.Equal(got, want) {
		t.Errorf("outputs %q, want %q", got, want)
	}
}

func TestRunKeepsALongErrorFromStoppingTheHook(t *testing.T) {
	all := []hooks.Hook{{On: []string{"failed"}, Command: []string{script(t, `printf %s "${#DVAGENT_ERROR}"`)}}}
	results := hooks.Run(t.Context(), new(command.Shifts), all, hooks.Event{Name: "failed", Error: strings.Repeat("é", 1<<20)})
	if results[0].Err != nil || results[0].Output == "0" {
		t.Errorf("output %q, error %v", results[0].Output, results[0].Err)
	}
}

// fault 66
func TestRunStopsAHookThatHangs(t *testing.T) {
	hang := hooks.Hook{On: []string{"issued"}, Command: []string{script(t, "sleep 600")}, Timeout: 200 * time.Millisecond}
	next := hooks.Hook{On: []string{"issued"}, Command: []string{script(t, "echo next")}}
	results := hooks.Run(t.Context(), new(command.Shifts), []hooks.Hook{hang, next}, hooks.Event{Name: "issued"})
	if results[0].Err == nil || results[1].Output != "next\n" {
		t.Errorf("results %+v", results)
	}
}

func TestAHookWithoutATimeHasTheOneOfCommands(t *testing.T) {
	if limit := (hooks.Hook{}).Limit(); limit != command.DefaultTimeout {
		t.Errorf("got %v", limit)
	}
	if limit := (hooks.Hook{Timeout: time.Second}).Limit(); limit != time.Second {
		t.Errorf("got %v", limit)
	}
}
