package bmapi

import (
	"context"
	"encoding/json"
)

// Mailshare is a mailbox that several people use and nobody logs in to. What the
// server says beyond these fields goes back with UpdateMailshare.
type Mailshare struct {
	UID          string // "" before creation
	Version      int64  // grows with changes
	ExternalID   string // what a directory knows it by; "": it is BlueMind's own
	Name         string // its top folder, form of an address' left part, lower case
	Label        string // in address books
	Routing      string // "": internal
	DataLocation string // "": the server chooses
	Quota        *int64 // KiB
	Emails       []Email
	Hidden       bool
	Archived     bool

	rest document
}

type mailshareWire struct {
	Name         string  `json:"name"`
	Routing      string  `json:"routing"`
	DataLocation *string `json:"dataLocation"`
	Quota        *int64  `json:"quota"`
	Emails       []Email `json:"emails"`
	Card         struct {
		Identification struct {
			FormatedName struct {
				Value string `json:"value,omitempty"`
			} `json:"formatedName"`
		} `json:"identification"`
	} `json:"card"`
	Hidden   bool `json:"hidden"`
	Archived bool `json:"archived"`
}

// UnmarshalJSON reads the value of a mailshare's item.
func (m *Mailshare) UnmarshalJSON(data []byte) error {
	var w mailshareWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	if err := m.rest.read(data); err != nil {
		return err
	}
	*m = Mailshare{rest: m.rest, Name: w.Name, Label: w.Card.Identification.FormatedName.Value, Routing: w.Routing,
		DataLocation: deref(w.DataLocation), Quota: w.Quota, Emails: w.Emails, Hidden: w.Hidden, Archived: w.Archived}
	return nil
}

// MarshalJSON writes the value for a mailshare's item, over what was read.
func (m Mailshare) MarshalJSON() ([]byte, error) {
	w := mailshareWire{Name: m.Name, Routing: m.Routing, Quota: m.Quota, Emails: lowerEmails(m.Emails), Hidden: m.Hidden, Archived: m.Archived}
	if m.DataLocation != "" {
		w.DataLocation = &m.DataLocation
	}
	if w.Routing == "" {
		w.Routing = RoutingInternal
	}
	w.Card.Identification.FormatedName.Value = m.Label
	return m.rest.over(w)
}

func mailshareOf(it item[Mailshare]) *Mailshare {
	m := it.Value
	m.UID, m.Version, m.ExternalID = it.UID, it.Version, it.ExternalID
	return &m
}

// Mailshare reads a mailshare by uid. By name or address: MailboxByName, MailboxByEmail.
//
// GET /mailshares/{domainUid}/{uid}/complete
func (s *Session) Mailshare(ctx context.Context, domainUID, uid string) (*Mailshare, error) {
	it, err := get[Mailshare](ctx, s, at("/mailshares", domainUID, uid, "complete"))
	if err != nil {
		return nil, err
	}
	return mailshareOf(it), nil
}

// Mailshares lists all mailshares of a domain.
//
// GET /mailshares/{domainUid}/_complete
func (s *Session) Mailshares(ctx context.Context, domainUID string) ([]*Mailshare, error) {
	return all(ctx, s, at("/mailshares", domainUID, "_complete"), mailshareOf)
}

// CreateMailshare makes a mailshare with its folders; rights and subscriptions are
// given apart. Look first, and after ErrAlreadyExists with MaybeDone again.
//
// PUT /mailshares/{domainUid}/{uid}
func (s *Session) CreateMailshare(ctx context.Context, domainUID, uid string, m *Mailshare) error {
	if err := checkEmails(m.Emails); err != nil {
		return err
	}
	return s.do(ctx, "PUT", at("/mailshares", domainUID, uid), m, nil)
}

// UpdateMailshare replaces a mailshare by m, as read and changed.
//
// POST /mailshares/{domainUid}/{uid}
func (s *Session) UpdateMailshare(ctx context.Context, domainUID string, m *Mailshare) error {
	if err := checkEmails(m.Emails); err != nil {
		return err
	}
	return s.do(ctx, "POST", at("/mailshares", domainUID, m.UID), m, nil)
}

// DeleteMailshare deletes a mailshare with its mail and waits for it. One that does
// not exist is fine.
//
// DELETE /mailshares/{domainUid}/{uid}
func (s *Session) DeleteMailshare(ctx context.Context, domainUID, uid string) error {
	return s.remove(ctx, at("/mailshares", domainUID, uid), func() (bool, error) {
		_, err := s.Mailshare(ctx, domainUID, uid)
		return isGone(err)
	})
}
