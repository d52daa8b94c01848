package main

import (
	"io"
	"os"
	"sync"
)

// output is standard output, which remembers whether a part of it was lost: who
// reads half of a list must not take it for the whole.
type output struct {
	to io.Writer

	mu  sync.Mutex
	err error // the first one
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// lost is why something was not written, or nil.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// file is the file behind it, if there is one.
func (o *output) file() (file *os.File, ok bool) {
	file, ok = o.to.(*os.File)
	return file, ok
}
