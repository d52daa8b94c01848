package deploy

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// boundJKS walks through a Java key store: each length that it gives is that of
// something which is there. The library makes room for as much as it is told.
func boundJKS(data []byte) error {
	s := &store{rest: data}
	s.skip(4) // the magic number
	version := s.number()
	for range s.number() {
		if s.entry(version); s.err != nil {
			return s.err
		}
	}
	return s.err
}

// store is what is left of a key store, and what is wrong with it.
type store struct {
	rest []byte
	err  error
}

var errCut = errors.New("it ends before what it announces")

func (s *store) take(n uint32) []byte {
	if uint64(n) > uint64(len(s.rest)) {
		s.rest, s.err = nil, errCut
		return make([]byte, min(n, 4))
	}
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

func (s *store) skip(n uint32) { s.take(n) }

func (s *store) number() uint32 { return binary.BigEndian.Uint32(s.take(4)) }

func (s *store) text() { s.skip(uint32(binary.BigEndian.Uint16(s.take(2)))) }

// The tags of entries.
const (
	keyEntry     = 1
	trustedEntry = 2
)

func (s *store) entry(version uint32) {
	tag := s.number()
	s.text()  // its alias
	s.skip(8) // its date
	certificates := uint32(1)
	switch tag {
	case keyEntry:
		length := s.number()
		s.skip(length)
		certificates = s.number()
		if s.err == nil && (length > mostKeyBytes || certificates > mostIssuers) {
			s.err = fmt.Errorf("a key of %d bytes with %d certificates is beyond any real one", length, certificates)
		}
	case trustedEntry:
	default:
		s.err = fmt.Errorf("entries of kind %d are not known", tag)
	}
	for range certificates {
		if s.err != nil {
			return
		}
		if version != 1 {
			s.text() // the kind of certificate
		}
		s.skip(s.number())
	}
}
