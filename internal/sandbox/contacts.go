package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// Contact is a person whom the CA may ask.
type Contact struct {
	ID     int64  `json:"ContactId"` // 0: the next one
	Name   string `json:"Name"`
	Mobile string `json:"Mobile"`
	Email  string `json:"Email"`
}

// ParseContact reads NAME,MOBILE,EMAIL; the e-mail may be left out.
func ParseContact(text string) (Contact, error) {
	field := strings.Split(text, ",")
	if len(field) < 2 || len(field) > 3 || field[0] == "" || field[1] == "" {
		return Contact{}, fmt.Errorf("contact %q: want NAME,MOBILE or NAME,MOBILE,EMAIL", text)
	}
	c := Contact{Name: strings.TrimSpace(field[0]), Mobile: strings.TrimSpace(field[1])}
	if len(field) == 3 {
		c.Email = strings.TrimSpace(field[2])
	}
	return c, nil
}

// addContact tells the new contact's id.
func (s *cas) addContact(c Contact) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ID == 0 {
		c.ID = s.nextID()
	}
	s.contacts = append(s.contacts, c)
	return c.ID
}

// hasContact tells whether an id is a contact's; the caller holds the lock.
func (s *cas) hasContact(id int64) bool {
	return slices.ContainsFunc(s.contacts, func(c Contact) bool { return c.ID == id })
}

func (s *cas) listContact(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []object{}
	for _, contact := range slices.Backward(s.contacts) {
		row := object{
			"ContactId": contact.ID, "Name": contact.Name, "Mobile": contact.Mobile, "Email": contact.Email,
			"MobileStatus": 1, "EmailStatus": 1, "Webhooks": "",
		}
		if row.matches(c.params, nil, "Name", "Mobile", "Email") {
			rows = append(rows, row)
		}
	}
	c.settle(rows...)
	return c.currentPage("ContactList", rows, 20, 100)
}
