package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

var (
	detail      = []string{"GetInstanceDetail"}
	proofReads  = []string{"GetInstanceDetail", "DescribeCertificateState"}
	apply       = []string{"ApplyCertificate"}
	creates     = []string{"CreateCertificateForPackageRequest", "CreateCertificateRequest", "CreateCertificateWithCsrRequest"}
	applies     = slices.Concat([]string{"ApplyCertificate", "UpdateInstance"}, creates)
	withAbsents = []string{
		"ListInstances", "GetInstanceDetail", "ListContact", "GetUserCertificateDetail", "ListCertificates", "ListUserCertificateOrder",
	}
)

// instanceKinds are what is not known of CAS 2020-04-07, each the other way
// round than this sandbox has it by default. A kind that changes nothing itself
// is asked for by the operation.
var instanceKinds = []kind{
	{name: "auto-submit", about: "UpdateInstance submits by itself what is complete", actions: []string{"UpdateInstance"}},
	{name: "one-certificate", about: "an instance that has had a certificate refuses a further application", actions: apply},
	{name: "reissue-new-key", about: "an instance that renews by itself does so with a key of the service's own", actions: apply},
	{name: "inactive-after-refusal", about: "the CA refuses, and the instance is as if it had not been used", actions: applies, fate: func(o *order) {
		o.fate, o.released = "check_fail", true
	}},
	{name: "early-normal", about: "an instance whose application is pending is called normal", actions: []string{"GetInstanceDetail", "ListInstances"}, alter: earlyNormal},
	{name: "spend-without-order", about: "an order from a package is refused with InternalError, and its quota is used up", actions: creates},
	{name: "other-product", about: "the rows of orders from packages spell the ProductCode otherwise", actions: []string{"ListUserCertificateOrder"}, alter: otherProduct},
	{name: "task-words", about: "TaskStatus is PENDING, COMPLETED or FAILED", actions: []string{"GetTaskAttribute"}, alter: func(_ *call, o object) bool {
		return replace(o, "TaskStatus", map[any]any{"processing": "PENDING", "success": "COMPLETED", "failed": "FAILED"})
	}},
	{name: "seconds", about: "times are in seconds, not in milliseconds", actions: withAbsents, alter: seconds},
	{name: "nulls", about: "what has no value is null, not left out", actions: withAbsents},
	{name: "blanks", about: "what has no value is an empty string, not left out", actions: withAbsents},
}

// proofKinds are what is not known of the proofs that 2020-04-07 wants.
var proofKinds = []kind{
	{name: "no-proofs", about: "the list of proofs is not there yet", actions: detail, alter: func(_ *call, o object) bool {
		had := o["DomainValidationList"] != nil
		delete(o, "DomainValidationList")
		return had
	}},
	{name: "proofs-stay", about: "the proofs are still listed after the issuance", actions: detail},
	{name: "proofs-twice", about: "each proof is listed twice", actions: detail, alter: onProofs(func(rows []object) []object {
		return slices.Concat(rows, rows)
	})},
	{name: "proofs-per-name", about: "one proof for each name, not for each zone", actions: applies, fate: func(o *order) { o.Proofs = proofsPerName(o.Domains) }},
	{name: "proofs-in-turn", about: "the next zone's proof is listed once the one before is seen", actions: applies, fate: func(o *order) {
		o.next, o.Proofs = append(slices.Clone(o.Proofs[1:]), o.next...), o.Proofs[:1]
	}},
	{name: "proof-cname", about: "the proof is a CNAME at a random label", actions: applies, fate: onEachProof(Proof.alias)},
	{name: "proof-at-apex", about: "the proof is a TXT record at the zone's apex, its key @", actions: applies, fate: onEachProof(func(p Proof) Proof { return p.at(p.Root) })},
	{name: "proof-under-name", about: "the proof's key is relative to the name under proof, not to its registered domain", actions: applies, fate: onEachProof(func(p Proof) Proof {
		p = p.at(validationName(p.Domain))
		p.Key = "_dnsauth"
		return p
	})},
	{name: "proof-full-name", about: "the proof's key is a whole name, not relative to the registered domain", actions: proofReads, alter: fullNames},
}

// onEachProof has all proofs of an order changed, those that come later too.
func onEachProof(change func(Proof) Proof) func(*order) {
	return func(o *order) {
		for _, list := range [][]Proof{o.Proofs, o.next} {
			for i := range list {
				list[i] = change(list[i])
			}
		}
	}
}

// onProofs changes the list of proofs, where there is one.
func onProofs(change func([]object) []object) func(*call, object) bool {
	return func(_ *call, o object) bool {
		rows, _ := o["DomainValidationList"].([]object)
		if len(rows) == 0 {
			return false
		}
		o["DomainValidationList"] = change(rows)
		return true
	}
}

func fullNames(c *call, o object) bool {
	whole := func(row object, key string, root string) {
		row[key] = strings.TrimPrefix(row[key].(string)+"."+root, "@.")
	}
	if o["RecordDomain"] != nil {
		whole(o, "RecordDomain", registered(o["Domain"].(string)))
		return true
	}
	return onProofs(func(rows []object) []object {
		for _, row := range rows {
			whole(row, "ValidationKey", row["RootDomain"].(string))
		}
		return rows
	})(c, o)
}

func earlyNormal(_ *call, o object) bool {
	pending := map[any]any{"pending": "normal"}
	bitten := replace(o, "Status", pending)
	rows, _ := o["InstanceList"].([]object)
	for _, row := range rows {
		bitten = replace(row, "Status", pending) || bitten
	}
	return bitten
}

// replace changes a field whose value has a replacement.
func replace(o object, field string, replacements map[any]any) bool {
	value, found := replacements[o[field]]
	if found {
		o[field] = value
	}
	return found
}

func otherProduct(_ *call, o object) bool {
	rows, _ := o["CertificateOrderList"].([]object)
	for _, row := range rows {
		if code, ok := row["ProductCode"].(string); ok {
			row["ProductCode"] = strings.ToUpper(strings.ReplaceAll(code, "-", "_"))
		}
	}
	return len(rows) > 0
}

// seconds goes through the whole answer; no id of this sandbox is as large as a time in milliseconds.
func seconds(_ *call, o object) bool {
	smallest := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for _, name := range slices.Collect(maps.Keys(o)) {
		switch v := o[name].(type) {
		case int64:
			if v > smallest {
				o[name] = v / 1000
			}
		case []object:
			for _, row := range v {
				seconds(nil, row)
			}
		}
	}
	return true
}
