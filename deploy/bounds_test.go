package deploy

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unicode/utf16"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/secret"

	"software.sslmate.com/src/go-pkcs12"
)

const storePassword = "canary-password"

func issued(t testing.TB) *bundle.Bundle {
	t.Helper()
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	b, err := bundle.Parse(b.FullchainPEM(), b.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func storeTarget(dir string) Target {
	return Target{PFX: filepath.Join(dir, "bundle.pfx"), JKS: filepath.Join(dir, "bundle.jks"), Password: secret.Secret{Literal: storePassword}}
}

func encoded(t testing.TB, encode func(Target, *bundle.Bundle, []byte) ([]byte, error), b *bundle.Bundle) []byte {
	t.Helper()
	data, err := encode(storeTarget(""), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// must is the DER of a value.
func must(t testing.TB, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// raised is DER in which the number from, where it comes for the nth time, is to.
// It looks into octet strings. left is what remains of nth.
func raised(t testing.TB, der []byte, from, to int, left *int) []byte {
	t.Helper()
	var all []byte
	for rest := der; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return der // it only looked like DER
		}
		var inner asn1.RawValue
		after, bad := asn1.Unmarshal(v.Bytes, &inner)
		switch {
		case v.Tag == asn1.TagInteger && bytes.Equal(v.FullBytes, must(t, from)):
			if *left--; *left == 0 {
				v = asn1.RawValue{FullBytes: must(t, to)}
			}
		case v.IsCompound, v.Tag == asn1.TagOctetString && bad == nil && len(after) == 0 && inner.Tag == asn1.TagSequence:
			v.Bytes, v.FullBytes = raised(t, v.Bytes, from, to, left), nil
		}
		all = append(all, must(t, v)...)
	}
	return all
}

// iterationsOf returns PKCS #12 files with two thousand million million million
// iterations in one place after the other.
func iterationsOf(t testing.TB, data []byte) (files [][]byte) {
	t.Helper()
	for n := 1; ; n++ {
		left := n
		file := raised(t, data, 2048, math.MaxInt64, &left)
		if left > 0 {
			return files
		}
		files = append(files, file)
	}
}

// hidden is a PKCS #12 file whose key lies with its certificates in what is
// encrypted, and would be decrypted without end. beside is another safe.
func hidden(t testing.TB, b *bundle.Bundle, beside func(safes []pfxContent) []pfxContent) []byte {
	t.Helper()
	var file pfxFile
	if err := whole(encoded(t, encodePFX, b), &file); err != nil {
		t.Fatal(err)
	}
	var safes []pfxContent
	if err := within(file.Content.Content.Bytes, &safes); err != nil {
		t.Fatal(err)
	}
	var key []byte
	if err := whole(safes[1].Content.Bytes, &key); err != nil {
		t.Fatal(err)
	}
	left := 1
	endless := encrypted(t, raised(t, key, 2048, math.MaxInt64, &left))
	if left != 0 {
		t.Fatal("the key has no iterations")
	}
	data, err := file.with(beside([]pfxContent{endless, safes[1]}), storePassword)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// encrypted is a safe with bags, by PBES2 with AES-256 and one iteration.
func encrypted(t testing.TB, bags []byte) pfxContent {
	t.Helper()
	salt, iv := []byte("01234567"), make([]byte, aes.BlockSize)
	key, err := pbkdf2.Key(sha256.New, storePassword, salt, 1, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(bags)%aes.BlockSize
	bags = append(slices.Clone(bags), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(bags, bags)
	algorithm := func(id asn1.ObjectIdentifier, parameters any) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: id, Parameters: asn1.RawValue{FullBytes: must(t, parameters)}}
	}
	type hash struct {
		Salt       []byte
		Iterations int
		Kind       pkix.AlgorithmIdentifier
	}
	var e pfxEncrypted
	e.Info.Type = plainSafe
	e.Info.Algorithm = algorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, []pkix.AlgorithmIdentifier{
		algorithm(pbkdf2Hash, hash{salt, 1, pkix.AlgorithmIdentifier{Algorithm: hmacSHA256}}),
		algorithm(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, iv)})
	e.Info.Content = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: bags}
	content := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: must(t, e)}
	return pfxContent{encryptedSafe, content}
}

// jks is a Java key store of these numbers, whose digest is right.
func jks(parts ...any) []byte {
	var out bytes.Buffer
	for _, part := range append([]any{uint32(0xfeedfeed), uint32(2)}, parts...) {
		_ = binary.Write(&out, binary.BigEndian, part) // a buffer takes all
	}
	return signed(out.Bytes())
}

func signed(data []byte) []byte {
	sum := sha1.New()
	for _, unit := range utf16.Encode([]rune(storePassword)) {
		sum.Write([]byte{byte(unit >> 8), byte(unit)})
	}
	sum.Write([]byte("Mighty Aphrodite"))
	sum.Write(data)
	return sum.Sum(slices.Clone(data))
}

// hostileStores are files that cost what they like to decode, or end the process.
func hostileStores(t testing.TB, b *bundle.Bundle) (pfx, jksFiles map[string][]byte) {
	t.Helper()
	pfx = map[string][]byte{
		"its key within what is encrypted, before another": hidden(t, b, func(safes []pfxContent) []pfxContent { return safes }),
		"its key within what is encrypted, after another":  hidden(t, b, func(safes []pfxContent) []pfxContent { slices.Reverse(safes); return safes }),
		"its key within what is encrypted alone":           hidden(t, b, func(safes []pfxContent) []pfxContent { return safes[:1] }),
	}
	for i, data := range iterationsOf(t, encoded(t, encodePFX, b)) {
		pfx["iterations at place "+string(rune('1'+i))] = data
	}
	legacy, err := pkcs12.LegacyDES.WithIterations(2048).Encode(b.Key, b.Leaf, b.Chain, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range iterationsOf(t, legacy) {
		pfx["iterations of old ciphers at place "+string(rune('1'+i))] = data
	}
	modern, err := pkcs12.Modern2026.Encode(b.Key, b.Leaf, b.Chain, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range iterationsOf(t, modern) {
		pfx["iterations of today's ciphers at place "+string(rune('1'+i))] = data
	}
	some, most := uint32(1), uint32(math.MaxUint32)
	jksFiles = map[string][]byte{
		"35 bytes with certificates in 171 GB": jks(some, uint32(keyEntry), uint16(1), byte('a'), uint64(0), uint32(0), most)[:35],
		"a key of 4 GB":                        jks(some, uint32(keyEntry), uint16(0), uint64(0), most),
		"a certificate of 4 GB":                jks(some, uint32(trustedEntry), uint16(0), uint64(0), uint16(0), most),
		"4 billion entries":                    jks(most),
		"a key that is too short for its salt": jks(some, uint32(keyEntry), uint16(len(DefaultJKSAlias)), []byte(DefaultJKSAlias), uint64(0), uint32(22),
			must(t, pfxKey{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}}, []byte("xy")}), uint32(0)),
		"nothing": {},
	}
	return pfx, jksFiles
}

// fault 167: such a file is another one than the pair, as any that was changed,
// and is no pair to be put back or taken over.
func TestAKeyStoreBeyondAnyRealOneIsReplaced(t *testing.T) {
	b := issued(t)
	pfx, jksFiles := hostileStores(t, b)
	if len(pfx) != 12 {
		t.Errorf("%d files with iterations", len(pfx))
	}
	for kind, files := range map[string]map[string][]byte{"pfx": pfx, "jks": jksFiles} {
		for name, data := range files {
			t.Run(kind+" with "+name, func(t *testing.T) {
				target := storeTarget(t.TempDir())
				path := target.PFX
				if kind == "jks" {
					path, target.PFX = target.JKS, ""
				} else {
					target.JKS = ""
				}
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				if drift := Inspect(t.Context(), target, b); drift.InPlace || !slices.Contains(drift.Files, path+" holds something else") {
					t.Errorf("%+v", drift)
				}
				if held, err := Held(target); err == nil {
					t.Errorf("it is taken over: %v", held.ID())
				}
				target.Check = []string{"/bin/false"}
				results := Install(t.Context(), []Job{{Certificate: "www", Target: target, Bundle: b, Originals: t.TempDir()}})
				if results[0].RolledBack || !results[0].Changed {
					t.Errorf("it is put back: %v", results[0].Err)
				}
				if drift := Inspect(t.Context(), target, b); !drift.InPlace {
					t.Errorf("afterwards: %+v", drift)
				}
				if took := time.Since(begun); took > 2*decodingTime {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// fault 167: what other programs write is taken all the same.
func TestARealKeyStoreIsDecoded(t *testing.T) {
	b := issued(t)
	for name, encoder := range map[string]*pkcs12.Encoder{
		"old ciphers": pkcs12.LegacyDES, "the oldest ciphers": pkcs12.LegacyRC2, "as Java makes it": pkcs12.Modern.WithIterations(10_000),
		"with PBMAC1": pkcs12.Modern2026, "with many iterations": pkcs12.Modern.WithIterations(300_000),
	} {
		t.Run(name, func(t *testing.T) {
			data, err := encoder.Encode(b.Key, b.Leaf, b.Chain, storePassword)
			if err != nil {
				t.Fatal(err)
			}
			target := storeTarget(t.TempDir())
			target.JKS = ""
			if err := os.WriteFile(target.PFX, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if drift := Inspect(t.Context(), target, b); !drift.InPlace {
				t.Errorf("%+v", drift)
			}
			data[len(data)-20] ^= 1 // in the MAC or its salt
			if err := os.WriteFile(target.PFX, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if drift := Inspect(t.Context(), target, b); drift.InPlace {
				t.Error("a file with another MAC is taken")
			}
		})
	}
}

// fault 167
func FuzzKeyStore(f *testing.F) {
	b := issued(f)
	target := storeTarget("")
	var outer pfxFile
	good := encoded(f, encodePFX, b)
	if err := whole(good, &outer); err != nil {
		f.Fatal(err)
	}
	var inner []byte
	if err := whole(outer.Content.Content.Bytes, &inner); err != nil {
		f.Fatal(err)
	}
	const kinds = 4
	plain := encoded(f, encodeJKS, b)
	f.Add(uint8(0), good)
	f.Add(uint8(1), inner)
	f.Add(uint8(2), plain)
	f.Add(uint8(3), plain[:len(plain)-sha1.Size])
	pfx, jksFiles := hostileStores(f, b)
	for _, data := range pfx {
		f.Add(uint8(0), data)
	}
	for _, data := range jksFiles {
		f.Add(uint8(2), data)
	}
	formatOf := func(name string) format {
		return formats[slices.IndexFunc(formats, func(f format) bool { return f.name == name })]
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		format := formatOf("pfx")
		switch kind % kinds {
		case 1: // what is within a MAC that is right
			var safes []pfxContent
			if whole(data, &safes) != nil {
				return
			}
			var err error
			if data, err = outer.with(safes, storePassword); err != nil {
				return
			}
		case 2:
			format = formatOf("jks")
		case 3:
			format, data = formatOf("jks"), signed(data)
		}
		certificates, key, err := format.parts(target, data)
		if err == errSlow {
			t.Fatal(err)
		}
		if err == nil {
			_, _ = bundle.Parse(certificates, key)
		}
	})
}
