package bmapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
)

// ExternalUser is somebody of elsewhere whom a domain's groups can hold: one address
// and a name, no mailbox. What the server says beyond these fields goes back with
// UpdateExternalUser.
type ExternalUser struct {
	UID          string // "" before creation
	Version      int64  // grows with changes
	ExternalID   string // what a directory knows him by
	Address      string // his only one
	FamilyNames  string // "" at creation: the display name, or the address
	GivenNames   string
	DisplayName  string // "" at creation: the address
	Hidden       bool   // from address books
	DataLocation string // server uid; "": the server chooses

	rest document
}

type cardEmail struct {
	Value string `json:"value"`
}

type externalWire struct {
	Emails       []Email `json:"emails"`
	DataLocation *string `json:"dataLocation"`
	Hidden       bool    `json:"hidden"`
	ContactInfos struct {
		Kind           string `json:"kind,omitempty"`
		Identification struct {
			Name struct {
				FamilyNames string `json:"familyNames,omitempty"`
				GivenNames  string `json:"givenNames,omitempty"`
			} `json:"name"`
			FormatedName struct {
				Value string `json:"value,omitempty"`
			} `json:"formatedName"`
		} `json:"identification"`
		Communications struct {
			Emails []cardEmail `json:"emails"`
		} `json:"communications"`
	} `json:"contactInfos"`
}

// UnmarshalJSON reads the value of an external user's item.
func (e *ExternalUser) UnmarshalJSON(data []byte) error {
	var w externalWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	if err := e.rest.read(data); err != nil {
		return err
	}
	id := w.ContactInfos.Identification
	*e = ExternalUser{rest: e.rest, DataLocation: deref(w.DataLocation), Hidden: w.Hidden, FamilyNames: id.Name.FamilyNames,
		GivenNames: id.Name.GivenNames, DisplayName: id.FormatedName.Value}
	if len(w.Emails) > 0 {
		e.Address = cmp.Or(defaultEmail(w.Emails), w.Emails[0].Address)
	}
	return nil
}

// MarshalJSON writes the value for an external user's item, over what was read.
func (e ExternalUser) MarshalJSON() ([]byte, error) {
	address := lowered(e.Address)
	w := externalWire{Emails: []Email{{Address: address, IsDefault: true}}, Hidden: e.Hidden}
	if e.DataLocation != "" {
		w.DataLocation = &e.DataLocation
	}
	if e.rest == nil {
		w.ContactInfos.Kind = "individual"
	}
	id := &w.ContactInfos.Identification
	id.FormatedName.Value = cmp.Or(e.DisplayName, address)
	id.Name.FamilyNames, id.Name.GivenNames = cmp.Or(e.FamilyNames, id.FormatedName.Value), e.GivenNames
	w.ContactInfos.Communications.Emails = []cardEmail{{Value: address}}
	return e.rest.over(w)
}

// ExternalUser reads an external user by uid, or ErrNotFound. By address: EntryByEmail.
//
// GET /externaluser/{domainUid}/{uid}/complete
func (s *Session) ExternalUser(ctx context.Context, domainUID, uid string) (*ExternalUser, error) {
	return s.readExternal(ctx, at("/externaluser", domainUID, uid, "complete"))
}

// ExternalUserByExtID finds an external user by what a directory knows him by.
//
// GET /externaluser/{domainUid}/byExtId/{extid}
func (s *Session) ExternalUserByExtID(ctx context.Context, domainUID, extID string) (*ExternalUser, error) {
	return s.readExternal(ctx, at("/externaluser", domainUID, "byExtId", extID))
}

func (s *Session) readExternal(ctx context.Context, to endpoint) (*ExternalUser, error) {
	it, err := get[ExternalUser](ctx, s, to)
	if err != nil {
		return nil, err
	}
	it.Value.UID, it.Value.Version, it.Value.ExternalID = it.UID, it.Version, it.ExternalID
	return &it.Value, nil
}

// CreateExternalUser makes an external user. Look first, and after ErrAlreadyExists with
// MaybeDone again. An address in use inside the domain is ErrAlreadyExists.
//
// PUT /externaluser/{domainUid}/{uid}
func (s *Session) CreateExternalUser(ctx context.Context, domainUID, uid string, e *ExternalUser) error {
	if err := CheckAddress(e.Address); err != nil {
		return err
	}
	return s.do(ctx, "PUT", at("/externaluser", domainUID, uid), e, nil)
}

// UpdateExternalUser replaces an external user by e, as read and changed.
//
// POST /externaluser/{domainUid}/{uid}
func (s *Session) UpdateExternalUser(ctx context.Context, domainUID string, e *ExternalUser) error {
	if err := CheckAddress(e.Address); err != nil {
		return err
	}
	return s.do(ctx, "POST", at("/externaluser", domainUID, e.UID), e, nil)
}

// DeleteExternalUser deletes an external user; one that does not exist is fine.
//
// DELETE /externaluser/{domainUid}/{uid}
func (s *Session) DeleteExternalUser(ctx context.Context, domainUID, uid string) error {
	err := s.do(ctx, "DELETE", at("/externaluser", domainUID, uid), nil, nil)
	if err != nil {
		// Of an unknown one it says UNKNOWN.
		if _, lookErr := s.ExternalUser(ctx, domainUID, uid); errors.Is(lookErr, ErrNotFound) {
			return nil
		}
	}
	return err
}
