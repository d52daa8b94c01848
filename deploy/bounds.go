package deploy

import (
	"errors"
	"fmt"
	"time"
)

// What no real key store comes near.
const (
	mostIterations = 1_000_000        // of a password's hash; a second's worth
	mostParameters = 1 << 10          // bytes, of that hash
	mostKeyBytes   = 8 << 10          // of a private key, encrypted
	mostIssuers    = 50               // of one key
	decodingTime   = 30 * time.Second // as a slow and busy host needs for what the bounds allow
)

var errSlow = fmt.Errorf("decoding takes longer than %s", decodingTime)

// parts is decode, which ends in time and without a panic whatever a file holds.
// One that is given up goes on, for no longer than the bounds let it.
func (f format) parts(t Target, data []byte) (certificates, key []byte, err error) {
	if !f.opaque {
		return f.decode(t, data)
	}
	type content struct {
		certificates, key []byte
		err               error
	}
	decoded := make(chan content, 1)
	go func() {
		var c content
		defer func() {
			if recover() != nil {
				c = content{err: errors.New("decode " + f.name + ": it is damaged")}
			}
			decoded <- c
		}()
		c.certificates, c.key, c.err = f.decode(t, data)
	}()
	late := time.NewTimer(decodingTime)
	defer late.Stop()
	select {
	case c := <-decoded:
		return c.certificates, c.key, c.err
	case <-late.C:
		return nil, nil, errSlow
	}
}
