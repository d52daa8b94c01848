package tls13

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Kinds of messages.
const (
	typeClientHello         = 1
	typeServerHello         = 2
	typeEncryptedExtensions = 8
	typeCertificate         = 11
	typeCertificateRequest  = 13
	typeCertificateVerify   = 15
)

// Extensions.
const (
	extServerName              = 0
	extSupportedGroups         = 10
	extSignatureAlgorithms     = 13
	extSupportedVersions       = 43
	extSignatureAlgorithmsCert = 50
	extKeyShare                = 51
)

var errMalformed = errors.New("the server's answer is malformed")

// groups are those that a share is sent of, so that no server has to ask for one.
var groups = []struct {
	id    tls.CurveID
	curve ecdh.Curve
}{{tls.X25519, ecdh.X25519()}, {tls.CurveP256, ecdh.P256()}, {tls.CurveP384, ecdh.P384()}}

// shares are a key for each of the groups.
type shares []*ecdh.PrivateKey

func newShares() (shares, error) {
	var own shares
	for _, g := range groups {
		key, err := g.curve.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		own = append(own, key)
	}
	return own, nil
}

// agree is the secret that is shared with the server.
func (s shares) agree(group tls.CurveID, share []byte) ([]byte, error) {
	for i, g := range groups {
		if g.id != group {
			continue
		}
		theirs, err := g.curve.NewPublicKey(share)
		if err != nil {
			return nil, errMalformed
		}
		return s[i].ECDH(theirs)
	}
	return nil, fmt.Errorf("the server chose %v, of which no key was sent", group)
}

// ofChain are the signature algorithms that certificates may be signed with: any
// that servers may have.
var ofChain = []tls.SignatureScheme{
	tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.Ed25519,
	tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512, tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512,
	tls.PKCS1WithSHA1, tls.ECDSAWithSHA1,
}

// clientHello is the message with its header.
func clientHello(serverName string, algorithms []tls.SignatureScheme, own shares) ([]byte, error) {
	random := make([]byte, 64) // and a session's ID, for middleboxes that want to see one
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddUint8(typeClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(tls.VersionTLS12)
		b.AddBytes(random[:32])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(random[32:]) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range suites {
				b.AddUint16(s.id)
			}
		})
		b.AddBytes([]byte{1, 0}) // no compression
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addExtensions(b, serverName, algorithms, own) })
	})
	return b.Bytes()
}

func addExtensions(b *cryptobyte.Builder, serverName string, algorithms []tls.SignatureScheme, own shares) {
	extension := func(id uint16, content cryptobyte.BuilderContinuation) {
		b.AddUint16(id)
		b.AddUint16LengthPrefixed(content)
	}
	list := func(add func(b *cryptobyte.Builder)) cryptobyte.BuilderContinuation {
		return func(b *cryptobyte.Builder) { b.AddUint16LengthPrefixed(add) }
	}
	schemes := func(all []tls.SignatureScheme) cryptobyte.BuilderContinuation {
		return list(func(b *cryptobyte.Builder) {
			for _, scheme := range all {
				b.AddUint16(uint16(scheme))
			}
		})
	}
	if _, err := netip.ParseAddr(serverName); serverName != "" && err != nil { // it is a name
		extension(extServerName, list(func(b *cryptobyte.Builder) {
			b.AddUint8(0)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.TrimSuffix(serverName, "."))) })
		}))
	}
	extension(extSupportedGroups, list(func(b *cryptobyte.Builder) {
		for _, g := range groups {
			b.AddUint16(uint16(g.id))
		}
	}))
	extension(extSignatureAlgorithms, schemes(algorithms))
	extension(extSignatureAlgorithmsCert, schemes(ofChain))
	extension(extSupportedVersions, func(b *cryptobyte.Builder) {
		b.AddUint8(2)
		b.AddUint16(tls.VersionTLS13)
	})
	extension(extKeyShare, list(func(b *cryptobyte.Builder) {
		for i, g := range groups {
			b.AddUint16(uint16(g.id))
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(own[i].PublicKey().Bytes()) })
		}
	}))
}

// serverHello is what the server chose.
type serverHello struct {
	suite suite
	group tls.CurveID
	share []byte
}

func parseServerHello(message []byte) (serverHello, error) {
	var chosen serverHello
	s := cryptobyte.String(message[headerLength:])
	var session, extensions cryptobyte.String
	var suiteID, version uint16
	if !s.Skip(2+32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&suiteID) || !s.Skip(1) ||
		!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return chosen, errMalformed
	}
	for !extensions.Empty() {
		var id uint16
		var content, share cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&content) {
			return chosen, errMalformed
		}
		switch id {
		case extSupportedVersions:
			if !content.ReadUint16(&version) {
				return chosen, errMalformed
			}
		case extKeyShare: // without a share, when the server asks for another hello
			if !content.ReadUint16((*uint16)(&chosen.group)) || !content.Empty() && !content.ReadUint16LengthPrefixed(&share) {
				return chosen, errMalformed
			}
			chosen.share = share
		}
	}
	if version != tls.VersionTLS13 {
		return chosen, errors.New("the server chose an older version")
	}
	for _, known := range suites {
		if known.id == suiteID {
			chosen.suite = known
			return chosen, nil
		}
	}
	return chosen, errors.New("the server chose a cipher suite that was not offered")
}
