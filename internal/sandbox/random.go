package sandbox

import (
	"crypto/rand"
	"fmt"
)

const (
	digits       = "0123456789"
	hexadecimal  = digits + "abcdef"
	alphanumeric = digits + "abcdefghijklmnopqrstuvwxyz"
)

// randomText makes n characters of an alphabet; the bias of the remainder is of no matter here.
func randomText(n int, alphabet string) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// newRequestID makes an identifier in the form of the API: a UUID in capitals.
func newRequestID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
