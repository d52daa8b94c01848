package sandbox

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func TestOnlyLoopbackIsListenedAt(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "localhost:0", "127.0.0.1", "nonsense"} {
		for name, o := range map[string]Options{
			"the API": {Listen: address}, "the name server": {DNS: address}, "the management port": {Management: address},
		} {
			s, err := Start(o)
			if err == nil {
				t.Errorf("%s listens at %s", name, address)
				_ = s.Close()
			}
		}
	}
}

func TestAStartThatFailsLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	goroutines := runtime.NumGoroutine()
	for name, o := range map[string]Options{
		"a taken port":        {Listen: taken.Addr().String()},
		"another taken port":  {Management: taken.Addr().String()},
		"a malformed zone":    {Zones: []string{"a..b"}},
		"an empty zone":       {Zones: []string{""}},
		"an unknown fault":    {Faults: []Fault{{Kind: "nonsense"}}},
		"a missing directory": {Dir: filepath.Join(temporary, "none")},
	} {
		if _, err := Start(o); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCloseStopsEverything(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	s, err := Start(Options{Faults: []Fault{{Kind: "timeout"}}})
	if err != nil {
		t.Fatal(err)
	}
	ready := s.Ready()
	c := newClient(t, s)
	answered := make(chan error)
	go func() {
		_, err := c.call("2015-01-09", "DescribeDomains")
		answered <- err
	}()
	eventually(t, func() bool { return len(s.History()) == 1 })
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err == nil || time.Since(began) > 3*time.Second {
		t.Errorf("a request that hung ended after %v with %v", time.Since(began), err)
	}
	for _, address := range []string{strings.TrimPrefix(ready.API, "http://"), strings.TrimPrefix(ready.Management, "http://"), ready.DNS[0], ready.DNS[1]} {
		if l, err := net.Listen("tcp", address); err != nil {
			t.Errorf("%s is still taken: %v", address, err)
		} else {
			_ = l.Close()
		}
	}
	if _, err := os.Stat(filepath.Dir(ready.CAFile)); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
	c.http.CloseIdleConnections()
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
}

func TestADirectoryThatWasGivenStays(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.pem")); err != nil {
		t.Error(err)
	}
}

func TestReadyMarshalsToTheLineOfTheCommand(t *testing.T) {
	s := start(t, Options{AccessKeyID: "LTAItest", AccessKeySecret: "secret", Zones: []string{"a.test", "b.test"}})
	line, err := json.Marshal(s.Ready())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api", "dns", "access_key_id", "access_key_secret", "zones", "ca_file", "management"} {
		if fields[name] == nil {
			t.Errorf("%s is missing in %s", name, line)
		}
	}
	if len(fields) != 7 || fields["access_key_id"] != "LTAItest" {
		t.Errorf("%s", line)
	}
}

func TestTheAgentsConfigurationNamesTheSandbox(t *testing.T) {
	s := start(t, Options{Zones: []string{"例子.test"}})
	var config struct {
		StateDir string `toml:"state_dir"`
		Account  map[string]struct {
			ID     string `toml:"access_key_id"`
			Secret string `toml:"access_key_secret"`
			CAS    string `toml:"cas_endpoint"`
			DNS    string `toml:"dns_endpoint"`
		}
		Contact     map[string]map[string]string
		DNS         struct{ Resolvers, Nameservers []string }
		Certificate []struct {
			Name, Account, Contact string
			Domains                []string
		}
	}
	meta, err := toml.Decode(s.AgentConfig(`/var/lib/a "quoted" directory`), &config)
	if err != nil || len(meta.Undecoded()) > 0 {
		t.Fatalf("%v, undecoded %v", err, meta.Undecoded())
	}
	ready := s.Ready()
	main := config.Account["main"]
	if main.ID != ready.AccessKeyID || main.Secret != ready.AccessKeySecret || main.CAS != ready.API || main.DNS != ready.API {
		t.Error("the account is not the sandbox's")
	}
	if config.StateDir != `/var/lib/a "quoted" directory` || len(config.Contact["sandbox"]) != 5 || len(config.DNS.Nameservers) != 2 || len(config.DNS.Resolvers) != 2 {
		t.Errorf("%+v", config)
	}
	if c := config.Certificate[0]; c.Name != "xn--fsqu00a.test" || strings.Join(c.Domains, " ") != "xn--fsqu00a.test *.xn--fsqu00a.test" || c.Contact != "sandbox" {
		t.Errorf("%+v", c)
	}
}
