package address

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// Host reads a host's name or address as the operator writes it, and spells it as
// it is resolved and sent: labels with other letters than ASCII's as A-labels.
// What is ASCII stays as it is, and holds no blank and no control character.
func Host(text string) (string, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", fmt.Errorf("%q is not a host name", text)
	}
	labels := strings.Split(text, ".")
	for i, label := range labels {
		if isASCII(label) { // IDNA would refuse "*", "my_service" and addresses
			continue
		}
		ascii, err := idna.Lookup.ToASCII(label)
		if err != nil {
			return "", fmt.Errorf("%q is not a host name", text)
		}
		labels[i] = ascii
	}
	return strings.Join(labels, "."), nil
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0
}

// Mail spells the domain of an e-mail address, which may be followed by ">", as
// Host does.
func Mail(text string) (string, error) {
	at := strings.LastIndexByte(text, '@') + 1
	host, rest, bracket := strings.Cut(text[at:], ">")
	host, err := Host(host)
	if bracket {
		host += ">" + rest
	}
	return text[:at] + host, err
}
