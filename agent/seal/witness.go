package seal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/agent/config"
	"dvagent/agent/rollout"
	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/openat"
)

// Witness sums up what is wanted of certificates, and their files by their stats
// alone. It is for a moment, as its directories are, and not safe for concurrent use.
type Witness struct {
	common []byte // what all sums have in common
	now    time.Time
	tree   openat.Tree
	state  *os.File             // the directory of all certificates' directories
	owners map[[2]string][2]int // numbers by the names of an owner and a group
	buffer []byte
}

// Witness makes one. wanted is what is wanted of all certificates alike.
func (b *Book) Witness(now time.Time, wanted ...any) *Witness {
	w := &Witness{now: now, owners: map[[2]string][2]int{}}
	w.common = append(w.common, b.salt[:]...)
	w.value(reflect.ValueOf(os.Geteuid()))
	var program unix.Stat_t
	_ = unix.Stat("/proc/self/exe", &program) // where that is not there, all have it in common
	w.stat(openat.StatOf(&program))
	for _, one := range wanted {
		w.value(reflect.ValueOf(one))
	}
	w.common, w.buffer = append(w.common, w.buffer...), nil
	return w
}

// Close lets the directories go.
func (w *Witness) Close() {
	w.tree.Close()
	if w.state != nil {
		_ = w.state.Close() // it was only looked at
	}
}

// Sum is what there is to be seen of a certificate whose directory is dir. It answers
// false where stats cannot tell: a file is not there, is none, is a symlink, lies where
// one on the way is not to be followed, or was changed a moment ago; an order is open;
// or what decides about a file cannot be found out.
func (w *Witness) Sum(ctx context.Context, certificate config.Certificate, dir string) (Sum, bool) {
	w.buffer = append(w.buffer[:0], w.common...)
	w.value(reflect.ValueOf(certificate))
	if !w.own(dir) {
		return Sum{}, false
	}
	for _, target := range certificate.Deploy {
		if !w.target(ctx, target) {
			return Sum{}, false
		}
	}
	return w.sum(), true
}

// kept are the files of a certificate's directory that a look reads. Its own stat
// tells of any that come, go or are replaced, such as the journal of an order.
var kept = []string{"", "/" + rollout.File, "/current/" + bundle.CertFile, "/current/" + bundle.KeyFile, "/current/" + bundle.FullchainFile}

// own looks into the state directory, where nobody else can put anything.
func (w *Witness) own(dir string) bool {
	if above := filepath.Dir(dir); w.state == nil || w.state.Name() != above {
		opened, err := os.OpenFile(above, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return false
		}
		if w.state != nil {
			_ = w.state.Close()
		}
		w.state = opened
	}
	for _, name := range kept {
		var info unix.Stat_t
		err := unix.Fstatat(int(w.state.Fd()), filepath.Base(dir)+name, &info, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil || !w.settled(openat.StatOf(&info)) {
			return false
		}
	}
	return true
}

// Ledgers sums up files of the state directory that concern all certificates. It
// answers false where one was changed a moment ago.
func (w *Witness) Ledgers(paths ...string) (Sum, bool) {
	w.buffer = append(w.buffer[:0], w.common...)
	for _, path := range paths {
		var info unix.Stat_t
		err := unix.Lstat(path, &info)
		if err == nil && !w.settled(openat.StatOf(&info)) || err != nil && err != unix.ENOENT {
			return Sum{}, false
		}
		w.text(path)
	}
	return w.sum(), true
}

func (w *Witness) sum() Sum {
	sum := sha256.Sum256(w.buffer)
	return Sum(sum[:len(Sum{})])
}

// target looks at the files of a deployment as package deploy reads them.
func (w *Witness) target(ctx context.Context, t deploy.Target) bool {
	if !w.decides(ctx, t) {
		return false
	}
	for _, path := range t.Files() {
		dir, err := w.tree.Open(filepath.Dir(path))
		if err != nil {
			return false
		}
		found, err := dir.Stat(filepath.Base(path))
		if err != nil || !w.settled(found) {
			return false
		}
	}
	return true
}

// decides adds what decides beside the configuration: the numbers of an owner and a
// group, and the password.
func (w *Witness) decides(ctx context.Context, t deploy.Target) bool {
	names := [2]string{t.Owner, t.Group}
	numbers, known := w.owners[names]
	if !known {
		var err error
		if numbers[0], numbers[1], err = t.Numbers(ctx); err != nil {
			return false
		}
		w.owners[names] = numbers
	}
	w.number(uint64(numbers[0]))
	w.number(uint64(numbers[1]))
	if t.PFX == "" && t.JKS == "" {
		return true
	}
	password, err := t.Password.Resolve()
	w.text(password)
	return err == nil
}

// settled adds a stat that will tell of the next change.
func (w *Witness) settled(s openat.Stat) bool {
	w.stat(s)
	return max(s.Modified, s.Changed) < w.now.Add(-openat.Granularity).UnixNano()
}

func (w *Witness) stat(s openat.Stat) {
	for _, n := range [...]uint64{s.Device, s.Inode, uint64(s.Size), uint64(s.Modified), uint64(s.Changed), uint64(s.Mode), uint64(s.UID), uint64(s.GID)} {
		w.number(n)
	}
}

func (w *Witness) number(n uint64) { w.buffer = binary.BigEndian.AppendUint64(w.buffer, n) }

func (w *Witness) text(s string) {
	w.number(uint64(len(s)))
	w.buffer = append(w.buffer, s...)
}

// value adds all that a value of the configuration holds, so that no field is
// forgotten.
func (w *Witness) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		w.text(v.String())
	case reflect.Bool:
		if v.Bool() {
			w.buffer = append(w.buffer, 1)
		} else {
			w.buffer = append(w.buffer, 0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		w.number(math.Float64bits(v.Float()))
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		w.number(uint64(v.Len()))
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Map: // what is known of file systems, which no configuration says
		w.number(uint64(v.Len()))
	default:
		panic("seal: a configuration of " + v.Type().String())
	}
}
