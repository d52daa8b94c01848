package cas2020

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// Submit puts the application into the instance (UpdateInstance), and hands it in
// (ApplyCertificate) unless the instance did so by itself. It reads the instance
// before and in between: others of the account may be at it, too.
func (i *Issuer) Submit(ctx context.Context, t issue.Ticket, a issue.Application) (issue.Receipt, error) {
	detail, err := i.client.GetInstanceDetail(ctx, t.Slot)
	if err != nil {
		return issue.Receipt{}, err
	}
	if begun, err := begun(detail, t); begun || err != nil {
		return issue.Receipt{}, err
	}
	if t.Before == "" && !t.Again && !ours(detail, t) && !wasOurs(detail, t) {
		return issue.Receipt{}, taken{t.Slot}
	}
	contact, err := i.contact(ctx, a.Contact, t, detail)
	if err != nil {
		return issue.Receipt{}, err
	}
	if err := a.Stands(ctx); err != nil {
		return issue.Receipt{}, err
	}
	request, err := i.client.UpdateInstance(ctx, t.Slot, settings(t, a, contact))
	if err != nil {
		return issue.Receipt{}, notNow(err)
	}
	if detail, err = i.client.GetInstanceDetail(ctx, t.Slot); err != nil {
		return issue.Receipt{}, err
	}
	if begun, err := begun(detail, t); begun || err != nil {
		return issue.Receipt{Request: request}, err
	}
	if !ours(detail, t) {
		return issue.Receipt{}, taken{t.Slot}
	}
	if err := a.Stands(ctx); err != nil {
		return issue.Receipt{}, err
	}
	request, err = i.client.ApplyCertificate(ctx, t.Slot)
	return issue.Receipt{Request: request}, notNow(err)
}

// wasOurs says that the instance holds a request for a key that the order had
// before, and which is lost.
func wasOurs(d aliyun.InstanceDetail, t issue.Ticket) bool {
	id, err := bundle.RequestKeyID([]byte(d.CSR))
	return err == nil && slices.Contains(t.Former, id)
}

// begun says that our application runs already. That another's does, or did since
// the instance was claimed, is an error.
func begun(d aliyun.InstanceDetail, t issue.Ticket) (bool, error) {
	switch {
	case d.Status.Pending() && ours(d, t):
		return true, nil
	case d.Status.Pending(), certificateID(d.Instance2020) != t.Before && !isVoid(d, t):
		return false, taken{t.Slot}
	}
	return false, nil
}

// notNow makes a refusal for the state of the instance one that may pass.
func notNow(err error) error {
	var fault *aliyun.Error
	if errors.As(err, &fault) && fault.Kind == aliyun.WrongState {
		return protected{fault}
	}
	return err
}

// taken says that somebody else was sooner on an instance.
type taken struct{ slot string }

func (t taken) Error() string {
	return "instance " + t.slot + " holds the certificate request of somebody else"
}
func (t taken) MayHaveBeenApplied() bool { return false }
func (t taken) Transient() bool          { return false }
func (t taken) Rejected() bool           { return false }
func (t taken) Refused() (string, bool)  { return "", true }

// protected is a refusal that may pass by itself: an instance takes no change in
// the first seconds after it was bought, and no application while one is on its
// way.
type protected struct{ fault *aliyun.Error }

func (p protected) Error() string            { return p.fault.Error() }
func (p protected) Unwrap() error            { return p.fault }
func (p protected) MayHaveBeenApplied() bool { return false }
func (p protected) Transient() bool          { return true }
func (p protected) Rejected() bool           { return false }

// SlotState is for issue's judgement of an error.
func (p protected) SlotState() bool { return true }

func (p protected) Refused() (code string, yes bool) { return p.fault.Code, false }

// settings are what the instance is to apply with. One that never had a
// certificate is told to leave the renewals to us; of another one that stays as
// its owner wants it.
func settings(t issue.Ticket, a issue.Application, contact int64) aliyun.InstanceSettings {
	kind := a.KeyType
	if a.Request != nil { // it may have been made before the configuration changed
		kind, _ = bundle.RequestKeyType(a.Request)
	}
	s := aliyun.InstanceSettings{Domains: a.Names, CSR: string(a.Request), CloudKey: a.Request == nil,
		KeyAlgorithm: algorithms[kind], ValidationMethod: method(a), ContactIDs: []int64{contact}}
	if t.Before == "" {
		s.AutoReissue = "disable"
	}
	return s
}

// method is the word that instances have for the way of the proof.
func method(a issue.Application) string {
	if a.File {
		return "HTTP"
	}
	return "DNS"
}

var algorithms = map[string]string{"rsa2048": "RSA_2048", "rsa3072": "RSA_3072", "rsa4096": "RSA_4096", "ec256": "ECC_256"}

// contact is the id of the person whom the CA may call: the configured one, that
// of the instance's last application, or the account's only one with that mobile
// number, or else with that name and e-mail address.
func (i *Issuer) contact(ctx context.Context, c config.Contact, t issue.Ticket, d aliyun.InstanceDetail) (int64, error) {
	if c.ID != 0 {
		return c.ID, nil
	}
	if t.Before != "" && len(d.ContactIDs) > 0 {
		return d.ContactIDs[0], nil
	}
	listed, err := i.contacts(ctx)
	if err != nil {
		return 0, err
	}
	for _, fits := range []func(aliyun.ListedContact) bool{
		func(l aliyun.ListedContact) bool { return l.Mobile == c.Mobile },
		func(l aliyun.ListedContact) bool { return l.Name == c.Username && strings.EqualFold(l.Email, c.Email) },
	} {
		found := slices.DeleteFunc(slices.Clone(listed), func(l aliyun.ListedContact) bool { return !fits(l) })
		if len(found) == 1 {
			return found[0].ContactID, nil
		}
		if len(found) > 1 {
			return 0, hint.Add(fmt.Errorf("%d of the account's %d contacts fit the configured one", len(found), len(listed)),
				"put the ContactId of one as id into [contact…]; dvagent contacts lists them")
		}
	}
	return 0, hint.Add(errors.New("none of the account's contacts is the configured one"),
		"create the contact in the SSL console, or put a ContactId as id into [contact…]")
}
