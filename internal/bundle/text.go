package bundle

import (
	"bytes"
	"crypto/x509"
)

// Text is the text of a version's files, whose leaf and key were found to match. The
// rest of it is not decoded: that costs most of a look, and is needed only where a
// file is to be written.
type Text struct{ Cert, Chain, Key []byte }

// LoadText reads the fullchain.pem and privkey.pem of a version's directory, and
// answers false where they are not as Put writes them: Load says what is wrong.
func LoadText(dir string, leaf *x509.Certificate) (Text, bool) {
	fullchain, err := read(dir, FullchainFile)
	if err != nil {
		return Text{}, false
	}
	t := Text{Cert: certificatesPEM(leaf)}
	if t.Key, err = read(dir, KeyFile); err != nil {
		return Text{}, false
	}
	var begins bool
	t.Chain, begins = bytes.CutPrefix(fullchain, t.Cert)
	return t, begins
}
