package sandbox

import (
	"fmt"
	"net/http"
	"testing"
)

func (c *client) cas2020(action string, pairs ...string) answer {
	c.t.Helper()
	return c.mustCall(API2020, action, pairs...)
}

// accepted is a call that must not be refused.
func (c *client) accepted(action string, pairs ...string) answer {
	c.t.Helper()
	a := c.cas2020(action, pairs...)
	if a.status != http.StatusOK {
		c.t.Fatalf("%s: %d %s", action, a.status, a.body)
	}
	return a
}

// rows are the objects of an array of the answer.
func (a answer) rows(name string) []map[string]any {
	list, _ := a.fields[name].([]any)
	var rows []map[string]any
	for _, item := range list {
		row, _ := item.(map[string]any)
		rows = append(rows, row)
	}
	return rows
}

// prepare updates an instance with a CSR for names, and tells the hash of its key.
func (c *client) prepare(s *Sandbox, id string, names ...string) (hash string) {
	c.t.Helper()
	csr, hash := newCSR(c.t, names...)
	c.accepted("UpdateInstance", "InstanceId", id, "GenerateCsrMethod", "upload", "Csr", csr, "ContactIdList.1", fmt.Sprint(s.Contacts()[0].ID))
	return hash
}

// detail reads an instance.
func (c *client) detail(id string) answer {
	c.t.Helper()
	return c.accepted("GetInstanceDetail", "InstanceId", id)
}

// detailUntil reads an instance until done says that it is there.
func (c *client) detailUntil(id string, done func(answer) bool) answer {
	c.t.Helper()
	return c.await(id, c.detail, done)
}

func hasProofs(a answer) bool      { return len(a.rows("DomainValidationList")) > 0 }
func hasCertificate(a answer) bool { return a.fields["CertificateId"] != nil }

// publish2020 adds the records that an instance wants.
func (c *client) publish2020(s *Sandbox, a answer) {
	c.t.Helper()
	for _, row := range a.rows("DomainValidationList") {
		_, err := s.AddRecord(fmt.Sprint(row["RootDomain"]), fmt.Sprint(row["ValidationKey"]), fmt.Sprint(row["ValidationType"]), fmt.Sprint(row["ValidationValue"]))
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// issue2020 takes a certificate for names from an instance.
func (c *client) issue2020(s *Sandbox, id string, names ...string) answer {
	c.t.Helper()
	before := c.detail(id).fields["CertificateId"]
	c.prepare(s, id, names...)
	c.accepted("ApplyCertificate", "InstanceId", id)
	c.publish2020(s, c.detailUntil(id, hasProofs))
	return c.detailUntil(id, func(a answer) bool { return hasCertificate(a) && a.fields["CertificateId"] != before })
}

// firstInstance is a sandbox with its first instance, and a client.
func firstInstance(t *testing.T, specs ...string) (*Sandbox, *client, string) {
	t.Helper()
	s, c := faulty(t, specs...)
	return s, c, s.Subscriptions()[0].InstanceID
}
