package issue

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/internal/line"
)

// idForm is how ids of servers are written: of instances, packages, orders and
// certificates.
var idForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`) })

// keyForm is how bundle.KeyID is written.
var keyForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })

// mostText is how much of a text of another host is kept.
const mostText = 1000

// vetFact refuses a fact of another host that names by an id what no id can be: ids go
// into requests. Texts, which people read, are made fit for a line.
func vetFact(f order.Fact) (order.Fact, error) {
	ids := []string{f.Package, f.Order, f.Before}
	if f.Package == "" {
		ids = append(ids, f.Instance)
	} else if name, slot := strings.CutPrefix(f.Instance, order.PackageSlot(f.Package, "")); !slot || !config.IsName(name) {
		return f, fmt.Errorf("its fact %q names %.80q, which is no slot of package %.80q", f.Kind, f.Instance, f.Package)
	}
	if f.Stock != nil {
		ids = append(ids, f.Stock.Orders...)
	}
	for _, id := range ids {
		if id != "" && !idForm().MatchString(id) {
			return f, fmt.Errorf("its fact %q names %.80q, which is no id", f.Kind, id)
		}
	}
	switch {
	case f.API != "" && !slices.Contains(config.APIs, f.API):
		return f, fmt.Errorf("its fact %q is of the API %.80q, which there is not", f.Kind, f.API)
	case f.Key != "" && !keyForm().MatchString(f.Key):
		return f, fmt.Errorf("its fact %q names the key %.80q, which is none", f.Kind, f.Key)
	case f.Outcome != "" && !f.Outcome.Known():
		return f, fmt.Errorf("its end, %.80q, is none", f.Outcome)
	}
	f.Version = "" // it is stored at the host that wrote it
	for _, text := range []*string{&f.Reason, &f.Host, &f.RequestID, &f.Status, &f.Code, &f.Error, &f.Hint, &f.Cause} {
		*text = line.Short(*text, mostText)
	}
	return f, nil
}
