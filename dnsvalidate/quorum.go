package dnsvalidate

import (
	"fmt"
	"strconv"
	"strings"
)

// Quorum is the share of the name servers that must show a record. The zero
// value is all of them.
type Quorum struct{ percent int }

// ParseQuorum reads "all" or a whole share from "1%" to "100%".
func ParseQuorum(s string) (Quorum, error) {
	if s == "all" {
		return Quorum{}, nil
	}
	digits, ok := strings.CutSuffix(s, "%")
	percent, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || percent < 1 || percent > 100 {
		return Quorum{}, fmt.Errorf(`quorum %q is neither "all" nor a share such as "75%%"`, s)
	}
	return Quorum{int(percent)}, nil
}

// reached says whether visible of total name servers are enough. Zero never are.
func (q Quorum) reached(visible, total int) bool {
	percent := q.percent
	if percent == 0 {
		percent = 100
	}
	return visible > 0 && visible*100 >= percent*total
}
