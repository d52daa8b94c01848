package deploy

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"dvagent/internal/hint"
)

// password reads the password of the target's key stores, which is one that they
// can have.
func (t Target) password() (string, error) {
	password, err := t.Password.Resolve()
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return password, t.checkPassword(password)
}

// CheckPassword says why the key stores of a target cannot have its password as it
// is now: their readers would not open them. It is nil where there is no key store.
func (t Target) CheckPassword() error {
	if t.PFX == "" && t.JKS == "" {
		return nil
	}
	_, err := t.password()
	return err
}

// JavaReads says that Java opens the target's key stores: of PKCS #12 it takes
// passwords of ASCII alone.
func (t Target) JavaReads() bool {
	password, err := t.password()
	return t.PFX == "" || err != nil || strings.IndexFunc(password, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// minJKSPassword is keytool's limit: it opens no JKS with a shorter password.
const minJKSPassword = 6

// checkPassword shows nothing of the password.
func (t Target) checkPassword(password string) error {
	switch {
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8")
	case strings.ContainsFunc(password, unicode.IsControl):
		return hint.Add(errors.New("the password holds a control character, such as the end of a line or a tab"), "a file holds the password in one line")
	case t.JKS != "" && utf8.RuneCountInString(password) < minJKSPassword:
		return fmt.Errorf("the password is shorter than %d characters: keytool opens no JKS with it", minJKSPassword)
	case strings.ContainsFunc(password, func(r rune) bool { return r > unicode.MaxLatin1 && t.JKS != "" || r > 0xFFFF }):
		return hint.Add(errors.New("the password holds characters that a key store cannot have"), "choose one of letters, digits and signs of ASCII")
	}
	return nil
}

// javaPassword is the password as package keystore wants it: a byte for each
// character, of which it makes the two that Java has.
func (t Target) javaPassword() ([]byte, error) {
	password, err := t.password()
	if err != nil {
		return nil, err
	}
	var characters []byte
	for _, r := range password {
		characters = append(characters, byte(r))
	}
	return characters, nil
}
