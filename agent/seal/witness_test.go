package seal

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/deploy"
	"dvagent/internal/secret"
)

// host is a certificate's directory and its target, with files of any content: a
// witness reads none.
type host struct {
	*testing.T
	book        *Book
	dir         string
	files       []string
	certificate config.Certificate
}

func newHost(t *testing.T) *host {
	t.Helper()
	base := t.TempDir()
	h := &host{T: t, book: Open(filepath.Join(base, "seals")), dir: filepath.Join(base, "certificates", "www")}
	tls := filepath.Join(base, "tls")
	h.certificate = config.Certificate{Name: "www", Domains: []string{"www.example.com"}, Account: "main", Deploy: []deploy.Target{{
		Key: tls + "/www.key", Fullchain: tls + "/www.pem", Combined: tls + "/www.both", PFX: tls + "/www.pfx", JKS: tls + "/www.jks",
		Password: secret.Secret{File: base + "/password"}}}}
	version := filepath.Join(h.dir, "versions", "20260301-0123456789ab")
	for _, dir := range []string{version, tls} {
		h.must(os.MkdirAll(dir, 0o755))
	}
	h.must(os.WriteFile(base+"/password", []byte("changeit"), 0o600))
	h.must(os.Symlink("versions/20260301-0123456789ab", h.dir+"/current"))
	h.files = append(h.certificate.Deploy[0].Paths(), h.dir+"/rollout.journal", version+"/cert.pem", version+"/privkey.pem", version+"/fullchain.pem")
	for _, path := range h.files {
		h.must(os.WriteFile(path, []byte("as it was"), 0o600))
	}
	return h
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// sum is what a witness sees in an hour, when nothing is young any more.
func (h *host) sum() (Sum, bool) { return h.sumAt(time.Now().Add(time.Hour)) }

func (h *host) sumAt(now time.Time) (Sum, bool) {
	w := h.book.Witness(now, "hooks")
	defer w.Close()
	return w.Sum(h.Context(), h.certificate, h.dir)
}

// tick waits until the clock of the file system shows another time than before.
func (h *host) tick() {
	h.Helper()
	path := filepath.Join(filepath.Dir(h.dir), "clock")
	read := func() time.Time {
		h.must(os.WriteFile(path, nil, 0o600))
		info, err := os.Stat(path)
		h.must(err)
		return info.ModTime()
	}
	before := read()
	for end := time.Now().Add(10 * time.Second); !read().After(before); {
		if time.Now().After(end) {
			h.Fatal("the clock of the file system stands still")
		}
	}
}

// changed fails unless a witness sees a change, or that it cannot tell.
func (h *host) changed(name string, change func()) {
	h.Helper()
	before, tells := h.sum()
	if again, _ := h.sum(); !tells || again != before {
		h.Fatalf("%s: nothing has changed, and the sum tells %v", name, tells)
	}
	h.tick()
	change()
	if after, tells := h.sum(); tells && after == before {
		h.Errorf("%s: it is not seen", name)
	}
}

// back gives a file the times that another had.
func (h *host) back(path string, info fs.FileInfo) {
	h.must(os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func TestEachChangeOfEachFileIsSeen(t *testing.T) {
	for _, way := range []struct {
		name   string
		change func(h *host, path string, was fs.FileInfo)
	}{
		{"written in place with the same size, its time set back", func(h *host, path string, was fs.FileInfo) {
			h.must(os.WriteFile(path, []byte("not as is"), 0o600))
			h.back(path, was)
		}},
		{"replaced by one of the same size and time", func(h *host, path string, was fs.FileInfo) {
			h.must(os.WriteFile(path+".new", []byte("not as is"), 0o600))
			h.back(path+".new", was)
			h.must(os.Rename(path+".new", path))
		}},
		{"replaced by a hard link to an older file of the same size", func(h *host, path string, was fs.FileInfo) {
			h.must(os.WriteFile(path+".old", []byte("not as is"), 0o600))
			h.back(path+".old", was)
			h.must(os.Link(path+".old", path+".link"))
			h.must(os.Rename(path+".link", path))
		}},
		{"longer, its time set back", func(h *host, path string, was fs.FileInfo) {
			h.must(os.WriteFile(path, []byte("not as it was"), 0o600))
			h.back(path, was)
		}},
		{"its mode", func(h *host, path string, _ fs.FileInfo) { h.must(os.Chmod(path, 0o640)) }},
		{"its owner", func(h *host, path string, _ fs.FileInfo) {
			if os.Geteuid() == 0 {
				h.must(os.Chown(path, 65534, -1))
			} else {
				h.must(os.Chown(path, -1, os.Getegid())) // which changes its ctime alone
			}
		}},
		{"a symlink to what it was", func(h *host, path string, _ fs.FileInfo) {
			h.must(os.Rename(path, path+".moved"))
			h.must(os.Symlink(path+".moved", path))
		}},
		{"removed", func(h *host, path string, _ fs.FileInfo) { h.must(os.Remove(path)) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			for i := range newHost(t).files {
				h := newHost(t)
				path := h.files[i]
				was, err := os.Stat(path)
				h.must(err)
				h.changed(filepath.Base(path), func() { way.change(h, path, was) })
			}
		})
	}
}

func TestEachChangeBesideTheFilesIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(h *host)
	}{
		{"an order is open", func(h *host) { h.must(os.WriteFile(h.dir+"/order.journal", nil, 0o600)) }},
		{"another version is current", func(h *host) {
			h.must(os.CopyFS(h.dir+"/versions/20260302-0123456789ab", os.DirFS(h.dir+"/current")))
			h.must(os.Symlink("versions/20260302-0123456789ab", h.dir+"/new"))
			h.must(os.Rename(h.dir+"/new", h.dir+"/current"))
		}},
		{"another password", func(h *host) {
			h.must(os.WriteFile(h.certificate.Deploy[0].Password.File, []byte("changedit"), 0o600))
		}},
		{"no password", func(h *host) { h.must(os.Remove(h.certificate.Deploy[0].Password.File)) }},
		{"an owner that nobody is", func(h *host) { h.certificate.Deploy[0].Owner = "no such user here" }},
		{"the directory of the target is another one", func(h *host) {
			tls := filepath.Dir(h.certificate.Deploy[0].Key)
			h.must(os.Rename(tls, tls+".old"))
			h.must(os.CopyFS(tls, os.DirFS(tls+".old")))
		}},
		{"a link of somebody else's leads to the directory of the target", func(h *host) {
			tls := filepath.Dir(h.certificate.Deploy[0].Key)
			h.must(os.Rename(tls, tls+".old"))
			h.must(os.Symlink(tls+".old", tls))
			if os.Geteuid() != 0 { // nobody else can be played: it leads nowhere
				h.must(os.Rename(tls+".old", tls+".gone"))
				return
			}
			h.must(os.Lchown(tls, 65534, 65534))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			h.changed(tt.name, func() { tt.change(h) })
		})
	}
}

func TestAFileThatWasJustChangedTellsNothing(t *testing.T) {
	h := newHost(t)
	if _, tells := h.sumAt(time.Now()); tells {
		t.Error("files that were written a moment ago are believed by their stats")
	}
	for _, path := range h.files {
		if _, tells := h.sum(); !tells {
			t.Fatal("nothing is young, and nothing is told")
		}
		future := time.Now().Add(2 * time.Hour)
		was, err := os.Stat(path)
		h.must(err)
		h.must(os.Chtimes(path, future, future))
		if _, tells := h.sum(); tells {
			t.Errorf("%s is of the future, and is believed", filepath.Base(path))
		}
		h.back(path, was)
	}
}

func TestEachFieldOfTheConfigurationCounts(t *testing.T) {
	h := newHost(t)
	before, tells := h.sum()
	if !tells {
		t.Fatal("nothing is told")
	}
	fields := 0
	var each func(name string, v reflect.Value)
	each = func(name string, v reflect.Value) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				each(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		case reflect.Slice:
			if v.Len() > 0 {
				each(name+"[0]", v.Index(0))
			}
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		case reflect.String:
			v.SetString(v.String() + "0")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Uint32:
			v.SetUint(v.Uint() + 1)
		case reflect.Float64:
			v.SetFloat(v.Float() + 0.1)
		case reflect.Map:
			return // no configuration says it
		default:
			t.Fatalf("%s is a %s", name, v.Kind())
		}
		fields++
		if after, tells := h.sum(); tells && after == before {
			t.Errorf("%s is changed, and it is not seen", name)
		}
		v.Set(old)
	}
	each("certificate", reflect.ValueOf(&h.certificate).Elem())
	if fields < 40 {
		t.Errorf("only %d fields were tried", fields)
	}
	if after, _ := h.sum(); after != before {
		t.Error("they were not put back")
	}
}

func TestLedgersTellOnceTheyAreNotYoung(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(t.TempDir(), "instances.journal")
	sum := func(at time.Time) (Sum, bool) {
		w := h.book.Witness(at)
		defer w.Close()
		return w.Ledgers(path)
	}
	later := time.Now().Add(time.Hour)
	missing, tells := sum(later)
	if !tells {
		t.Fatal("that none is there is not told")
	}
	h.must(os.WriteFile(path, []byte("claimed"), 0o600))
	if _, tells := sum(time.Now()); tells {
		t.Error("one that was just written is believed")
	}
	there, tells := sum(later)
	if !tells || there == missing {
		t.Error("that it came is not seen")
	}
	h.tick()
	h.must(os.WriteFile(path, []byte("kept   "), 0o600))
	if after, _ := sum(later); after == there {
		t.Error("that it was written is not seen")
	}
}
