package statetest

import (
	"flag"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/state"
)

// To lay out a host for a look with other tools:
//
//	go test ./agent/statetest -args -out DIR -certificates 10000
var (
	out          = flag.String("out", "", "lay out a host in this directory, which exists")
	certificates = flag.Int("certificates", 3, "how many certificates it has")
	apart        = flag.Bool("apart", false, "each certificate has a file of its own in conf.d")
	directories  = flag.Bool("directories", false, "each certificate has a directory for its files")
)

func TestAHostIsAsAnAgentLeavesIt(t *testing.T) {
	h := Host{Dir: *out, Certificates: *certificates, Apart: *apart, Directories: *directories}
	if h.Dir == "" {
		h.Dir = t.TempDir()
	}
	h.Make(t)
	cfg, err := config.Load(h.Config())
	if err != nil || len(cfg.Certificates) != h.Certificates {
		t.Fatal(err)
	}
	host := state.NewHost(cfg, nil, nil)
	for _, certificate := range cfg.Certificates {
		s, err := host.Dir.Read(certificate)
		if err != nil || s.Broken != nil || len(s.Damage()) > 0 || s.Due(state.Now()) != "" {
			t.Fatalf("%s: %v, %v, %v, due %q", certificate.Name, err, s.Broken, s.Damage(), s.Due(state.Now()))
		}
		if known := s.Rollout.Targets[certificate.Deploy[0].ID()]; known.Version != s.Current {
			t.Fatalf("%s: the journal says %+v", certificate.Name, known)
		}
	}
}
