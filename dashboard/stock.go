package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/words"
)

// stock is what an account has to order with: instances, or one package.
type stock struct {
	Account, Package string
	Spare            string
	SeenAt           string
	Coming           int
	Unmet            int // of those that come
}

const unknown = "not known yet"

func (p *page) showStocks(g *view.Glance, spare map[string]spareSeen) {
	for name, forecast := range g.Coming {
		s := stock{Account: name, Spare: unknown, Coming: forecast.Coming()}
		if listed, known := spare[name]; known {
			s.see(listed.instances.Count(), listed.at, g.At)
			s.Unmet = forecast.Unmet(listed.instances)
		}
		p.Stocks = append(p.Stocks, s)
	}
	for _, of := range g.Packages {
		s := stock{Account: of.Account, Package: clean(of.Product), Spare: unknown, Coming: of.Coming}
		if of.Left != nil {
			s.see(of.Left.Certificates, of.Left.At, g.At)
			s.Unmet = max(0, of.Coming-of.Left.Certificates)
		}
		p.Stocks = append(p.Stocks, s)
	}
	slices.SortFunc(p.Stocks, func(a, b stock) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Package, b.Package))
	})
}

func (s *stock) see(spare int, at, now time.Time) {
	s.Spare, s.SeenAt = fmt.Sprint(spare), words.BriefAway(at, now)
}

func (s stock) alarm() alarm {
	a := alarm{"Too few instances in account " + s.Account,
		fmt.Sprintf("%s spare, and %d certificates want one within the forecast; for %d there is none that lasts.", s.Spare, s.Coming, s.Unmet), "buy DV instances"}
	if s.Package != "" {
		a.Title, a.Hint = fmt.Sprintf("Too little left of package %s in account %s", s.Package, s.Account), state.PackageHint
	}
	return a
}
