package notice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/untouched"
)

// Load reads the book at path. One that is missing or damaged is
// empty: then what holds is noticed, and told, anew.
func Load(path string) (*Book, error) {
	book, err := books.Of(path, func() (*Book, error) { return read(path) })
	if err != nil {
		return nil, err
	}
	return book.clone(), nil
}

var books untouched.Files[*Book]

func read(path string) (*Book, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return parse(nil), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		return parse(nil), nil
	}
	text, err := io.ReadAll(io.LimitReader(file, mostText))
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return parse(text), nil
}

// mostText is more than the troubles of ten thousand certificates need; what is cut
// there is damaged.
const mostText = 64 << 20

func parse(text []byte) *Book {
	book := &Book{}
	if json.Unmarshal(text, book) != nil {
		book = &Book{}
	}
	if book.Troubles == nil {
		book.Troubles = map[string]Trouble{}
	}
	if book.Channels == nil {
		book.Channels = map[string]*Channel{}
	}
	maps.DeleteFunc(book.Channels, func(_ string, c *Channel) bool { return c == nil })
	if book.Spare == nil {
		book.Spare = map[string]Spare{}
	}
	return book
}

// patience is how long Update waits for somebody else's, which takes less than
// a moment.
const patience = 2 * time.Second

// Update reads the book, changes it and writes it again when it is another one
// then. Nobody else changes it meanwhile, whichever process that is: it has a
// lock of its own, which is held for no longer than change takes. That is called a second
// time under the lock, and not at all there where it would change nothing.
func Update(path string, change func(*Book)) error {
	if book, err := Load(path); err == nil && !changes(book, change) {
		return nil
	}
	return update(path, change)
}

// changes changes a book, and says whether it is another one then.
func changes(book *Book, change func(*Book)) bool {
	before := book.clone()
	change(book)
	return !reflect.DeepEqual(before, book) && !bytes.Equal(text(before), text(book))
}

func update(path string, change func(*Book)) error {
	lock, err := os.OpenFile(strings.TrimSuffix(path, ".json")+".lock", os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock notices: %w", err)
	}
	defer lock.Close()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock notices: %w", err)
	}
	book, err := Load(path)
	if err != nil {
		return err
	}
	if !changes(book, change) {
		return nil
	}
	file := atomicfile.File{Path: path, Data: text(book), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}
	if err := atomicfile.Write(file); err != nil {
		return fmt.Errorf("write notices: %w", err)
	}
	books.Wrote(path, book)
	return nil
}

func text(book *Book) []byte {
	text, err := json.MarshalIndent(book, "", "\t")
	if err != nil {
		panic(err) // strings, numbers and times of four-digit years
	}
	return append(text, '\n')
}
