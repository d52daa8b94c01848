package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"dvagent/cmd/dvagent/demo"
	"dvagent/internal/aliyun"
	"dvagent/internal/secret"
)

// patience bounds every wait of a story.
const patience = 15 * time.Second

// lines collects output; it may be read while a process writes.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// process is a program in the background of a story.
type process struct {
	cmd    *exec.Cmd
	output lines
	ended  chan struct{}
}

func startProcess(dir string, env []string, argv ...string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait() // the exit code is read later
	}()
	return p, nil
}

// stop sends SIGTERM, after which the process has five seconds to end, and
// returns its exit code. A process that has already ended is left alone.
func (p *process) stop() (int, error) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
		return -1, fmt.Errorf("did not end within 5s of SIGTERM:\n%s", p.output.String())
	}
	if leak := secretIn(p.output.String()); leak != "" {
		return -1, fmt.Errorf("its output tells %s", leak)
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// start NAME dvagent [ARG…] starts the program in the background, under a name
// that other commands take.
func (s *stage) start(ts *testscript.TestScript, args []string) {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/no-home", "DVAGENT_CONFIG=" + ts.Getenv("DVAGENT_CONFIG")}
	p, err := startProcess(s.dir, env, args[1:]...)
	ts.Check(err)
	s.processes[args[0]] = p
}

// terminate NAME CODE sends SIGTERM to a program that start started, which has
// to end with that exit code within five seconds. stdout is what it printed.
func (s *stage) terminate(ts *testscript.TestScript, args []string) {
	p := s.processes[args[0]]
	delete(s.processes, args[0])
	code, err := p.stop()
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), p.output.String())
	if strconv.Itoa(code) != args[1] {
		ts.Fatalf("exit code %d, not %s", code, args[1])
	}
}

// hangup NAME sends SIGHUP to a program that start started.
func (s *stage) hangup(ts *testscript.TestScript, args []string) {
	ts.Check(s.processes[args[0]].cmd.Process.Signal(syscall.SIGHUP))
}

// await NAME PATTERN waits until a program that start started has printed it.
func (s *stage) await(ts *testscript.TestScript, args []string) {
	p, pattern := s.processes[args[0]], regexp.MustCompile("(?m)"+args[1])
	if !eventually(func() bool { return pattern.MatchString(p.output.String()) }) {
		ts.Fatalf("%s did not print %q in %s:\n%s", args[0], args[1], patience, p.output.String())
	}
}

// becomes PATTERN dvagent [ARG…] runs the command until it prints the pattern.
func (s *stage) becomes(ts *testscript.TestScript, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	if !eventually(func() bool {
		s.exits(ts, append([]string{"0"}, args[1:]...))
		return pattern.MatchString(ts.ReadFile("stdout"))
	}) {
		ts.Fatalf("%q was not printed in %s", args[0], patience)
	}
}

func eventually(holds func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

// web starts the demo's TLS server at $WEB with the pair tls/site.pem and
// tls/site.key, self-signed when it is not there. $RELOAD is the command, as TOML,
// that makes the server read the pair again.
func (s *stage) web(ts *testscript.TestScript, _ []string) {
	certificate := ts.MkAbs("tls/site.pem")
	if _, err := os.Stat(certificate); errors.Is(err, os.ErrNotExist) {
		ts.Check(os.MkdirAll(filepath.Dir(certificate), 0o755))
		ts.Check(writePair(certificate, keyBeside(certificate), time.Now()))
	}
	server, err := demo.Serve(certificate, keyBeside(certificate), ts.MkAbs("reload"))
	ts.Check(err)
	s.webServer = server
	ts.Setenv("WEB", server.Address())
	ts.Setenv("RELOAD", fmt.Sprintf("[%q, %q]", server.ReloadCommand()[0], server.ReloadCommand()[1]))
}

// unplug ends the server that web started.
func (s *stage) unplug(*testscript.TestScript, []string) {
	s.webServer.Close()
	s.webServer = nil
}

// writePair writes a self-signed pair for example.com that ends a day after
// the time given.
func writePair(certificate, key string, around time.Time) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(mathrand.Int64()), DNSNames: []string{"example.com"},
		NotBefore: around.AddDate(0, 0, -1), NotAfter: around.AddDate(0, 0, 1),
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), 0o644),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// expired NAME uploads a certificate that ended a month ago into the account.
func (s *stage) expired(ts *testscript.TestScript, args []string) {
	certificate, key := ts.MkAbs("old.pem"), ts.MkAbs("old.key")
	ts.Check(writePair(certificate, key, time.Now().AddDate(0, -1, 0)))
	ready := s.sandbox.Ready()
	client, err := aliyun.New(aliyun.Config{CASEndpoint: ready.API, DNSEndpoint: ready.API, STSEndpoint: ready.API,
		Credentials: aliyun.Credentials{
			AccessKeyID:     secret.Secret{Literal: ready.AccessKeyID},
			AccessKeySecret: secret.Secret{Literal: ready.AccessKeySecret},
		}})
	ts.Check(err)
	_, err = client.CreateUserCertificate(context.Background(), args[0], ts.ReadFile(certificate), ts.ReadFile(key))
	ts.Check(err)
}
