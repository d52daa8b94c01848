package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle/bundletest"
)

// BenchmarkIdleService runs the service with ten thousand certificates, none of
// them due. It reports the time and the processor time until the service has
// looked at all of them once, and then what it costs while it is idle. It fails
// when that is more than promised.
func BenchmarkIdleService(b *testing.B) {
	path := manyCertificates(b, 10_000)
	for b.Loop() {
		s := startService(b, path)
		b.ReportMetric(s.settled.Seconds(), "s-first-look")
		b.ReportMetric(s.processor(b).Seconds(), "cpu-s-first-look")
		const watched = 5 * time.Second
		before := s.processor(b)
		time.Sleep(watched)
		share := 100 * float64(s.processor(b)-before) / float64(watched)
		memory := s.memory(b)
		b.ReportMetric(share, "%core-idle")
		b.ReportMetric(memory, "MB-idle")
		if memory > 60 || share > 0.1 {
			b.Errorf("idle with %.0f MB and %.3f %% of a core", memory, share)
		}
		s.end(b)
	}
}

// manyCertificates lays out certificates with one stored version each.
func manyCertificates(b *testing.B, n int) (config string) {
	b.Helper()
	dir := b.TempDir()
	leaf := bundletest.NewCA(b, "bench").Issue(b, bundletest.Leaf{Names: []string{"*.example.com"}})
	original := filepath.Join(dir, leaf.ID())
	if err := leaf.Write(original); err != nil {
		b.Fatal(err)
	}
	files, err := os.ReadDir(original)
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "state_dir = %q\n[account.main]\naccess_key_id = \"x\"\naccess_key_secret = \"x\"\n"+
		"[contact.ops]\nusername = \"x\"\nmobile = \"1\"\nemail = \"x@example.com\"\nprovince = \"x\"\ncity = \"x\"\n", filepath.Join(dir, "state"))
	for i := range n {
		name := fmt.Sprintf("host%d.example.com", i)
		fmt.Fprintf(&text, "[[certificate]]\nname = %q\ndomains = [%q]\n", name, name)
		home := filepath.Join(dir, "state", "certificates", name)
		version := filepath.Join(home, "versions", leaf.ID())
		if err := os.MkdirAll(version, 0o700); err != nil {
			b.Fatal(err)
		}
		for _, file := range files { // links are quickly made
			if err := os.Link(filepath.Join(original, file.Name()), filepath.Join(version, file.Name())); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.Symlink("versions/"+leaf.ID(), filepath.Join(home, "current")); err != nil {
			b.Fatal(err)
		}
	}
	config = filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return config
}

// service is a dvagent run that has looked at everything once.
type service struct {
	cmd     *exec.Cmd
	settled time.Duration // since its start
}

func startService(b *testing.B, config string) *service {
	b.Helper()
	s := &service{cmd: exec.Command("dvagent", "--config", config, "run")}
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.cmd.Process.Kill() }) // if it still runs
	last, quietSince := time.Duration(0), begun
	for time.Since(quietSince) < time.Second || last < 100*time.Millisecond {
		time.Sleep(20 * time.Millisecond)
		if now := s.processor(b); now-last > time.Millisecond {
			last, quietSince = now, time.Now()
		}
		if time.Since(begun) > 2*time.Minute {
			b.Fatal("it does not come to rest")
		}
	}
	s.settled = quietSince.Sub(begun)
	return s
}

// processor is the processor time of all threads so far.
func (s *service) processor(b *testing.B) time.Duration {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("no threads, %v", err)
	}
	total := time.Duration(0)
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		ran, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(ran)
	}
	return total
}

// memory is what is resident, in MB.
func (s *service) memory(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages*os.Getpagesize()) / 1e6
}

func (s *service) end(b *testing.B) {
	b.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		b.Error(err)
	}
}
