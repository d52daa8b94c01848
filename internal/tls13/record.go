package tls13

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

// Kinds of records.
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordData             = 23
)

const (
	headerLength  = 4 // of a message
	longestRecord = 1<<14 + 256
	mostRecords   = 256
	longest       = 1 << 18 // of a message, as crypto/tls bounds certificates
)

// suite is a cipher suite: how records are sealed, and by which hash keys are
// derived.
type suite struct {
	id        uint16
	hash      crypto.Hash
	keyLength int
	seal      func(key []byte) (cipher.AEAD, error)
}

var suites = []suite{
	{tls.TLS_AES_128_GCM_SHA256, crypto.SHA256, 16, newGCM},
	{tls.TLS_AES_256_GCM_SHA384, crypto.SHA384, 32, newGCM},
	{tls.TLS_CHACHA20_POLY1305_SHA256, crypto.SHA256, 32, chacha20poly1305.New},
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// record is a message that nothing protects yet.
func record(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{recordHandshake, 3, 1}, uint16(len(message))), message...)
}

// reader reads the server's messages.
type reader struct {
	conn    io.Reader
	records int
	held    []byte // of messages that have not been taken
	aead    cipher.AEAD
	iv      []byte
	number  uint64 // of the next record that is sealed
}

// message is the next one, with its header, which is to be one of these kinds.
func (r *reader) message(kinds ...byte) ([]byte, error) {
	for {
		if length := r.length(); length > longest {
			return nil, errors.New("the server's message is too long")
		} else if len(r.held) >= length {
			break
		}
		if err := r.read(); err != nil {
			return nil, err
		}
	}
	message := r.held[:r.length()]
	r.held = r.held[len(message):]
	for _, kind := range kinds {
		if message[0] == kind {
			return message, nil
		}
	}
	return nil, fmt.Errorf("the server sent a message of kind %d", message[0])
}

// length is that of the first message, or of the header that is to come.
func (r *reader) length() int {
	if len(r.held) < headerLength {
		return headerLength
	}
	return headerLength + int(binary.BigEndian.Uint32(r.held)&0xffffff)
}

// read takes one more record.
func (r *reader) read() error {
	if r.records++; r.records > mostRecords {
		return errors.New("the server's records do not end")
	}
	header := make([]byte, 5)
	if _, err := io.ReadFull(r.conn, header); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	length := int(binary.BigEndian.Uint16(header[3:]))
	if length > longestRecord {
		return errMalformed
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(r.conn, content); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	kind := header[0]
	if kind == recordChangeCipherSpec { // which means nothing any more
		return nil
	}
	if kind == recordData {
		var err error
		if kind, content, err = r.open(header, content); err != nil {
			return err
		}
	} else if r.aead != nil && kind == recordHandshake {
		return errMalformed
	}
	switch {
	case kind == recordAlert && len(content) == 2:
		return tls.AlertError(content[1])
	case kind != recordHandshake || len(content) == 0:
		return errMalformed
	}
	r.held = append(r.held, content...)
	return nil
}

// open takes the seal off a record, and its real kind and the padding from its
// end.
func (r *reader) open(header, sealed []byte) (kind byte, content []byte, err error) {
	if r.aead == nil {
		return 0, nil, errMalformed
	}
	nonce := make([]byte, len(r.iv))
	binary.BigEndian.PutUint64(nonce[len(nonce)-8:], r.number)
	for i := range nonce {
		nonce[i] ^= r.iv[i]
	}
	r.number++
	if content, err = r.aead.Open(nil, nonce, sealed, header); err != nil {
		return 0, nil, errors.New("the server's record cannot be decrypted")
	}
	for i := len(content) - 1; i >= 0; i-- {
		if content[i] != 0 {
			return content[i], content[:i], nil
		}
	}
	return 0, nil, errMalformed
}

// decrypt has the records that follow opened with the keys of the server's
// handshake (RFC 8446, 7.1), after a transcript of both hellos.
func (r *reader) decrypt(s suite, shared, hellos []byte) error {
	if len(r.held) > 0 {
		return errMalformed // something unprotected after the hello
	}
	empty := s.hash.New().Sum(nil)
	early, err := hkdf.Extract(s.hash.New, make([]byte, s.hash.Size()), nil)
	if err != nil {
		return err
	}
	derived, err := s.expand(early, "derived", empty, s.hash.Size())
	if err != nil {
		return err
	}
	handshake, err := hkdf.Extract(s.hash.New, shared, derived)
	if err != nil {
		return err
	}
	traffic, err := s.expand(handshake, "s hs traffic", hellos, s.hash.Size())
	if err != nil {
		return err
	}
	key, err := s.expand(traffic, "key", nil, s.keyLength)
	if err != nil {
		return err
	}
	if r.aead, err = s.seal(key); err != nil {
		return err
	}
	r.iv, err = s.expand(traffic, "iv", nil, r.aead.NonceSize())
	return err
}

// expand is HKDF-Expand-Label.
func (s suite) expand(secret []byte, label string, context []byte, length int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(length))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Expand(func() hash.Hash { return s.hash.New() }, secret, string(info), length)
}
