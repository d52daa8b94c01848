package deploy

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

var jksMagic = []byte("\xfe\xed\xfe\xed")

func isJKS(data []byte) bool { return bytes.HasPrefix(data, jksMagic) }

// isPFX says that data begins as PKCS #12 does: with its version, in a sequence
// whose length need not be right.
func isPFX(data []byte) bool {
	if len(data) < 2 || data[0] != asn1.TagSequence|0x20 {
		return false
	}
	header := 2
	if data[1] >= 0x80 {
		header += int(data[1] & 0x7f)
	}
	return len(data) > header && bytes.HasPrefix(data[header:], []byte{asn1.TagInteger, 1, 3})
}

var errLocked = hint.Add(errors.New("it does not open with the password, and may hold more than a pair"), "give its password, or move it away")

// otherThanJKS wants the key under the alias that is configured: a server which
// asks for another one would not find the new one.
func otherThanJKS(t Target, data []byte) error {
	switch {
	case isPFX(data):
		return hint.Add(errors.New("it is PKCS #12 and no JKS, as keytool makes by default"), "name it as pfx, or move it away")
	case !isJKS(data):
		return errors.New("it is no Java key store")
	case len(data) < sha1.Size || boundJKS(data[:len(data)-sha1.Size]) != nil:
		return nil // it is damaged, and was one
	}
	password, err := t.javaPassword()
	if err != nil {
		return err
	}
	store, err := openJKS(data, password)
	if err != nil {
		return errLocked
	}
	keys := slices.DeleteFunc(store.Aliases(), func(alias string) bool { return !store.IsPrivateKeyEntry(alias) })
	if len(keys) == 0 || store.IsPrivateKeyEntry(t.alias()) {
		return nil
	}
	slices.Sort(keys)
	return hint.Add(fmt.Errorf("its key has the alias %s, and not %q", strings.Join(keys, ", "), t.alias()),
		fmt.Sprintf("jks_alias = %q", keys[0]))
}

// otherThanPFX wants one key without an alias, and its chain: dvagent's file holds
// no more.
func otherThanPFX(t Target, data []byte) error {
	switch {
	case isJKS(data):
		return hint.Add(errors.New("it is a JKS and no PKCS #12"), "name it as jks, or move it away")
	case !isPFX(data):
		return errors.New("it is no PKCS #12")
	}
	password, err := t.password()
	if err != nil {
		return err
	}
	if err := plainPFX(data); err != nil {
		return err
	}
	_, damaged := boundPFX(data, password)
	certificates, key, err := pfxFormat.parts(t, data)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return errLocked
	case damaged != nil:
		return nil // it was one
	}
	if err == nil {
		_, err = bundle.Parse(certificates, key)
	}
	if err != nil {
		return fmt.Errorf("it holds something else than a pair with its chain: %w", err)
	}
	return nil
}

var pfxFormat = format{name: "pfx", decode: decodePFX, opaque: true}

// plainPFX refuses a second key, and an alias: both are to be seen from outside.
func plainPFX(data []byte) error {
	var file pfxFile
	var safes []pfxContent
	if whole(data, &file) != nil || within(file.Content.Content.Bytes, &safes) != nil {
		return nil
	}
	keys := 0
	for _, safe := range safes {
		var bags []pfxBag
		if !safe.Type.Equal(plainSafe) || within(safe.Content.Bytes, &bags) != nil {
			continue
		}
		for _, bag := range bags {
			if !bag.ID.Equal(keyBag) && !bag.ID.Equal(shroudedBag) {
				continue
			}
			if alias := bag.alias(); alias != "" && alias != javaCounts {
				return hint.Add(fmt.Errorf("its key has the alias %q, and dvagent's would have none", alias),
					"move it away if no server asks for the alias; a jks has one")
			}
			keys++
		}
	}
	if keys > 1 {
		return fmt.Errorf("it holds %d keys", keys)
	}
	return nil
}

// javaCounts is what Java calls the first entry that has no alias.
const javaCounts = "1"

var friendlyName = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}

// alias is what Java and Windows call an entry.
func (b pfxBag) alias() string {
	var attributes []struct {
		ID     asn1.ObjectIdentifier
		Values asn1.RawValue `asn1:"set"`
	}
	if _, err := asn1.UnmarshalWithParams(b.Attributes.FullBytes, &attributes, "set"); err != nil {
		return ""
	}
	for _, attribute := range attributes {
		var name string
		if attribute.ID.Equal(friendlyName) {
			if _, err := asn1.Unmarshal(attribute.Values.Bytes, &name); err == nil {
				return name
			}
		}
	}
	return ""
}
