package order

import (
	"strings"
	"time"
)

// Left is how many certificates a package was last known to have left, and as of
// when. Only an order decides: others may order from it, too.
type Left struct {
	Certificates int       `json:"certificates"`
	At           time.Time `json:"at"`
}

// PackageSlot stands for the instance of an order from a package: a ledger and a
// journal claim it as they claim one.
func PackageSlot(product, certificate string) string { return product + "/" + certificate }

// product is the package whose slot the entry is about.
func (e instanceEntry) product() string {
	product, _, _ := strings.Cut(e.Instance, "/")
	return product
}

// stock is what the entries of one package amount to.
type stock struct {
	left Left
	by   string // the certificate whose submission is taken off, until it turns out that it never arrived
}

func (s stock) after(e instanceEntry) stock {
	switch {
	case e.Kind == InstanceSubmitted && e.Stock != nil && e.Stock.Total > 0:
		return stock{Left{e.Stock.Total - e.Stock.Used - 1, e.At}, e.Certificate}
	case e.Kind == InstanceEmpty:
		return stock{left: Left{0, e.At}}
	case e.Kind == InstanceUnapplied && s.by != "" && s.by == e.Certificate:
		s.left.Certificates++
		s.by = ""
	}
	return s
}

// Left is what was left of a package of an account when an order saw it last,
// without that order. It is nil while no order has.
func (l *Instances) Left(account, product string) *Left {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.stocks[Instance{account, product}]
	if !known {
		return nil
	}
	return &Left{max(s.left.Certificates, 0), s.left.At}
}

// tellsStock says that the entry is one of those that Left is told by.
func (l *Instances) tellsStock(e instanceEntry) bool {
	s, known := l.stocks[Instance{e.Account, e.product()}]
	return known && !e.At.Before(s.left.At)
}
