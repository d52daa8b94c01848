package deploy_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

const stranger = 65534 // nobody, as a rule; any user that is neither root nor us

// prey is a directory tls of another user, the target that an agent of root's
// has there, and what that user should not come by.
type prey struct {
	*testing.T
	tls    string
	target deploy.Target
	secret string         // a file of root's alone: the key of owner's
	owner  *bundle.Bundle // a pair of root's
	ca     *bundletest.CA
}

func newPrey(t *testing.T) *prey {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be robbed by another user here")
	}
	top := t.TempDir()
	p := &prey{T: t, tls: filepath.Join(top, "home/tls"), secret: filepath.Join(top, "root/key.pem"), ca: bundletest.NewCA(t, "Test")}
	p.owner = p.issue()
	p.must(os.Chmod(filepath.Dir(top), 0o755), os.Chmod(top, 0o755),
		os.MkdirAll(p.tls, 0o755), os.Chown(filepath.Dir(p.tls), stranger, stranger), os.Chown(p.tls, stranger, stranger),
		os.Mkdir(filepath.Dir(p.secret), 0o755), os.WriteFile(p.secret, p.owner.KeyPEM(), 0o600))
	p.target = deploy.Target{Fullchain: p.path("fullchain.pem"), Key: p.path("key.pem"), Owner: strconv.Itoa(stranger)}
	return p
}

func (p *prey) must(errs ...error) {
	p.Helper()
	if err := errors.Join(errs...); err != nil {
		p.Fatal(err)
	}
}

func (p *prey) path(name string) string { return filepath.Join(p.tls, name) }

func (p *prey) issue() *bundle.Bundle {
	return p.ca.Issue(p.T, bundletest.Leaf{Names: []string{"example.com"}})
}

// asStranger does something on files as another user, who has no rights of root's.
func (p *prey) asStranger(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		syscall.RawSyscall(syscall.SYS_SETFSGID, stranger, 0, 0)
		syscall.RawSyscall(syscall.SYS_SETFSUID, stranger, 0, 0)
		if _, err := os.ReadFile(p.secret); !errors.Is(err, fs.ErrPermission) {
			done <- errors.New("the other user can read what is root's")
			return
		}
		done <- do()
	}()
	return done
}

// exchanging exchanges two names, as another user, again and again until stop.
func (p *prey) exchanging(one, other string) (stop func()) {
	end := make(chan struct{})
	done := p.asStranger(func() error {
		for {
			select {
			case <-end:
				return nil
			default:
			}
			err := unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			if err != nil && err != unix.ENOENT { // ENOENT: root is just putting another there
				return err
			}
		}
	})
	return func() {
		close(end)
		p.must(<-done)
	}
}

// wantNoSecret looks for root's key in all files below a directory.
func (p *prey) wantNoSecret(below string) {
	p.Helper()
	p.must(filepath.WalkDir(below, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // exchanged just now, or no copy
		}
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, p.owner.KeyPEM()) {
			p.Fatalf("%s holds the key of another pair", path)
		}
		return nil
	}))
}

// fault 164
func TestADirectoryThatAnotherUserExchangesForALinkLeadsNowhere(t *testing.T) {
	for _, tt := range []struct{ name, link string }{
		{"the directory of the files", "home/tls"},
		{"the directory above it", "home"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrey(t)
			top := filepath.Dir(filepath.Dir(p.tls))
			victim := filepath.Join(top, "root/victim")
			p.must(os.MkdirAll(filepath.Join(victim, "tls"), 0o755))
			swapped, link := filepath.Join(top, tt.link), filepath.Join(top, tt.link+"-link")
			p.must(os.Chown(top, stranger, stranger), os.Symlink(victim, link), os.Lchown(link, stranger, stranger))
			stop := p.exchanging(swapped, link)
			defer stop()
			refused, installed := 0, 0
			for end := time.Now().Add(10 * time.Second); (refused < 20 || installed < 20) && time.Now().Before(end); {
				if result := install(t, deploy.Job{Target: p.target, Bundle: p.issue()}); result.Err != nil {
					refused++
				} else {
					installed++
				}
			}
			if refused == 0 || installed == 0 {
				t.Errorf("%d refused, %d installed", refused, installed)
			}
			for _, dir := range []string{victim, filepath.Join(victim, "tls")} {
				entries, err := os.ReadDir(dir)
				p.must(err)
				for _, entry := range entries {
					if !entry.IsDir() {
						t.Errorf("%s was written in a directory of root's", entry.Name())
					}
				}
			}
		})
	}
}

// fault 165
func TestAFileThatAnotherUserExchangesForALinkGivesNoSecretAway(t *testing.T) {
	p := newPrey(t)
	originals := t.TempDir()
	p.target.Check = shell("exit 1") // so that the files before are put back
	plant := func() {
		for name, data := range map[string][]byte{"fullchain.pem": p.owner.FullchainPEM(), "key.pem": p.issue().KeyPEM()} {
			_ = os.Remove(p.path(name))
			p.must(os.WriteFile(p.path(name), data, 0o644), os.Chown(p.path(name), stranger, stranger))
		}
		_ = os.Remove(p.path("link"))
		p.must(os.Symlink(p.secret, p.path("link")), os.Lchown(p.path("link"), stranger, stranger))
	}
	for range 40 {
		plant()
		stop := p.exchanging(p.path("key.pem"), p.path("link"))
		for range 20 { // looks, which are fast, and then one installation
			_, _ = deploy.Held(p.target)
		}
		install(t, deploy.Job{Target: p.target, Bundle: p.issue(), Originals: originals})
		stop()
		p.wantNoSecret(p.tls)
		p.wantNoSecret(originals)
	}
}

// faults 164 and 165
func TestALinkOfAnotherUserInAFilesPlaceIsReplacedAndNotPutBack(t *testing.T) {
	p := newPrey(t)
	p.must(os.WriteFile(p.path("fullchain.pem"), p.owner.FullchainPEM(), 0o644),
		os.Symlink(p.secret, p.path("key.pem")), os.Lchown(p.path("key.pem"), stranger, stranger))
	b := p.issue()
	if drift := deploy.Inspect(t.Context(), p.target, b); !strings.Contains(strings.Join(drift.Files, "; "), "key.pem is a link that another user could have made") {
		t.Errorf("%q", drift.Files)
	}
	originals := t.TempDir()
	checkError(t, install(t, deploy.Job{Target: p.target, Bundle: b, Originals: originals}).Err, "")
	if drift := deploy.Inspect(t.Context(), p.target, b); !drift.InPlace {
		t.Errorf("%q", drift.Files)
	}
	if info, err := os.Lstat(p.path("key.pem")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the key is %v, error %v", info, err)
	}
	p.wantNoSecret(originals)
}

// fault 166
func TestOnlyPlainFilesThatNobodyElseCanChangeAreTakenOver(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(p *prey, own string)
		err     string
	}{
		{"plain files of ours", func(*prey, string) {}, ""},
		{"a link of another user to a key of root's", func(p *prey, own string) {
			p.must(os.Remove(own+"/key.pem"), os.Symlink(p.secret, own+"/key.pem"), os.Lchown(own+"/key.pem", stranger, stranger))
		}, "key.pem is a symlink"},
		{"a link of ours", func(p *prey, own string) {
			p.must(os.Remove(own+"/key.pem"), os.Symlink(p.secret, own+"/key.pem"))
		}, "key.pem is a symlink"},
		{"a file of another user", func(p *prey, own string) { p.must(os.Chown(own+"/key.pem", stranger, stranger)) }, "key.pem: belongs to user"},
		{"a file that others can write", func(p *prey, own string) { p.must(os.Chmod(own+"/fullchain.pem", 0o666)) }, "fullchain.pem: can be written by others"},
		{"files of ours in a directory of another user", func(p *prey, own string) { p.must(os.Chown(own, stranger, stranger)) }, "belongs to user"},
		{"files of ours below a directory that others can write", func(p *prey, own string) { p.must(os.Chmod(filepath.Dir(own), 0o777)) }, "can be written by others"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrey(t)
			own := filepath.Join(t.TempDir(), "own")
			p.must(os.Mkdir(own, 0o755), os.WriteFile(own+"/fullchain.pem", p.owner.FullchainPEM(), 0o644), os.WriteFile(own+"/key.pem", p.owner.KeyPEM(), 0o600))
			tt.prepare(p, own)
			_, err := deploy.Held(deploy.Target{Fullchain: own + "/fullchain.pem", Key: own + "/key.pem"})
			checkError(t, err, tt.err)
		})
	}
}

// fault 136: what somebody else put in place is seen, but for what a link of theirs
// leads to.
func TestAPairIsFoundWhoeverCouldHavePutItThere(t *testing.T) {
	p := newPrey(t)
	p.must(os.WriteFile(p.path("fullchain.pem"), p.owner.FullchainPEM(), 0o644), os.WriteFile(p.path("key.pem"), p.owner.KeyPEM(), 0o600),
		os.Chown(p.path("key.pem"), stranger, stranger))
	found, err := deploy.Found(p.target)
	checkError(t, err, "")
	if err == nil && found.ID() != p.owner.ID() {
		t.Errorf("found %s", found.ID())
	}
	p.must(os.Remove(p.path("key.pem")), os.Symlink(p.secret, p.path("key.pem")), os.Lchown(p.path("key.pem"), stranger, stranger))
	_, err = deploy.Found(p.target)
	checkError(t, err, "key.pem is missing")
}

// fault 166
func TestWhatOneTargetHoldsIsNotGivenToAnother(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	leaf := bundletest.Leaf{Names: []string{"example.com"}}
	b, other := ca.Issue(t, leaf), ca.Issue(t, leaf)
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"combined.pem": append(b.KeyPEM(), b.FullchainPEM()...), "other.pem": append(other.KeyPEM(), other.FullchainPEM()...),
		"cert.pem": b.CertPEM(), "key.pem": b.KeyPEM(), "other-key.pem": other.KeyPEM(),
	} {
		write(t, filepath.Join(dir, name), data)
	}
	first := deploy.Target{Combined: filepath.Join(dir, "combined.pem")}
	for _, tt := range []struct {
		name   string
		second deploy.Target
		err    string
	}{
		{"the same", first, ""},
		{"the same in other files", deploy.Target{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}, ""},
		{"the certificate alone", deploy.Target{Cert: filepath.Join(dir, "cert.pem")}, ""},
		{"nothing", deploy.Target{Combined: filepath.Join(dir, "none.pem")}, "none.pem is missing"},
		{"another pair", deploy.Target{Combined: filepath.Join(dir, "other.pem")}, "holds another certificate"},
		{"another key alone", deploy.Target{Key: filepath.Join(dir, "other-key.pem")}, "holds another key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, targets := range [][]deploy.Target{{first, tt.second}, {tt.second, first}} {
				held, err := deploy.Held(targets...)
				checkError(t, err, tt.err)
				if err == nil && held.ID() != b.ID() {
					t.Errorf("held %s", held.ID())
				}
			}
		})
	}
}
