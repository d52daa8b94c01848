// Package seal remembers of certificates that a look had nothing to do, until when
// that holds, and by which stats of their files it can be told that nothing was
// touched since. A seal that is not broken spares a look. All of it is a cache: what
// is lost, damaged, of another dvagent or a day old is made anew by a look, and
// nothing else depends on it. The package decides nothing about certificates.
package seal

import (
	"encoding/binary"
	"time"
)

// Sum stands for what was wanted of a certificate and for its files as they were.
type Sum [16]byte

// Seal says that a look had nothing to do.
type Seal struct {
	Sum    Sum
	Looked int64 // when the look began, in Unix seconds, as are the others
	Until  int64 // when something is to be done, whatever the files are
	Renews int64 // when the renewal is due
	Ends   int64 // when the newest leaf does
}

// A look is believed for that long, and then all is read in full. Looks are spread,
// so that not all of many certificates are read at one time.
const (
	believed = 24 * time.Hour
	spread   = 6 * time.Hour
)

// Holds says that a seal may be believed now, as far as the clock tells.
func (s Seal) Holds(now time.Time) bool {
	early := spread / (1 << 16) * time.Duration(binary.BigEndian.Uint16(s.Sum[:]))
	age := now.Sub(time.Unix(s.Looked, 0))
	return age >= 0 && age < believed-early && now.Before(time.Unix(s.Until, 0))
}
