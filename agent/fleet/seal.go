package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// comment tells what the file is for.
const comment = "# dvagent-fleet: the same on its hosts, and nowhere else\n"

// NewIdentity is the text of a file with an identity that there was not before.
func NewIdentity() (string, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make an identity: %w", err)
	}
	return comment + identity.String() + "\n", nil
}

// mostSealed is how long a sealed text may be. It holds a pair, and some words.
const mostSealed = 2 * bundle.MaxBytes

// errIdentity tells nothing of what stands in the file.
var errIdentity = errors.New("holds no age identity")

// identities are those of the file. The first one seals; any opens.
func (f *Fleet) identities() ([]*age.X25519Identity, error) {
	text, err := f.settings.Identity.Resolve()
	if err != nil {
		return nil, fmt.Errorf("read the identity of the fleet: %w", err)
	}
	var all []*age.X25519Identity
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := age.ParseX25519Identity(line)
		if err != nil { // whose text quotes the line
			return nil, fmt.Errorf("read the identity of the fleet: %s %w", f.settings.Identity, errIdentity)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read the identity of the fleet: %s %w", f.settings.Identity, errIdentity)
	}
	return all, nil
}

// Seal makes of a text what the hosts of the fleet alone can read, and as being what it
// was sealed as: such as the key that it stands at.
func (f *Fleet) Seal(as string, text []byte) (string, error) {
	identities, err := f.identities()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	armored := armor.NewWriter(&out)
	sealing, err := age.Encrypt(armored, identities[0].Recipient())
	if err == nil {
		_, err = sealing.Write(append([]byte(as+"\n"), text...))
	}
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	if err := errors.Join(sealing.Close(), armored.Close()); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return out.String(), nil
}

// ErrForeign says that a text was sealed with another identity, or was damaged.
var ErrForeign = hint.Add(errors.New("it is damaged, or sealed for another fleet"), "see that identity_file is the same on all hosts of the fleet")

// ErrMisplaced says that a sealed text was made to be something else.
var ErrMisplaced = errors.New("it was sealed to stand somewhere else")

// Open is what was sealed.
func (f *Fleet) Open(as, sealed string) ([]byte, error) {
	known, err := f.identities()
	if err != nil {
		return nil, err
	}
	if len(sealed) > mostSealed {
		return nil, ErrForeign
	}
	identities := make([]age.Identity, len(known))
	for i, one := range known {
		identities[i] = one
	}
	opened, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), identities...)
	if err != nil {
		return nil, ErrForeign
	}
	text, err := io.ReadAll(io.LimitReader(opened, mostSealed))
	if err != nil {
		return nil, ErrForeign
	}
	rest, found := bytes.CutPrefix(text, []byte(as+"\n"))
	if !found {
		return nil, ErrMisplaced
	}
	return rest, nil
}
