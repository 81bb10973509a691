package objects

import (
	"context"
	"errors"

	"bmsync/bmapi"
)

type memory struct{}

var errNotYet = errors.New("objects: not built yet")

// Domain makes sure of a domain.
func (m *Maker) Domain(ctx context.Context, want Domain) (*bmapi.Domain, Outcome, error) {
	return nil, Outcome{}, errNotYet
}

// User makes sure of a user.
func (m *Maker) User(ctx context.Context, d *bmapi.Domain, want User) (*Entry, Outcome, error) {
	return nil, Outcome{}, errNotYet
}

// Share makes sure of a shared mailbox.
func (m *Maker) Share(ctx context.Context, d *bmapi.Domain, want Share) (*Entry, Outcome, error) {
	return nil, Outcome{}, errNotYet
}

// Group makes sure of a group and its members.
func (m *Maker) Group(ctx context.Context, d *bmapi.Domain, want Group) (Outcome, []Outcome, error) {
	return Outcome{}, nil, errNotYet
}

// Grant adds rights to an entry's mailbox.
func (m *Maker) Grant(ctx context.Context, e *Entry, rights []Right) ([]Outcome, error) {
	return nil, errNotYet
}

// Subscribe makes a mailbox appear to a user.
func (m *Maker) Subscribe(ctx context.Context, user, box *Entry) (Outcome, error) {
	return Outcome{}, errNotYet
}

// Find looks for an entry, or gives bmapi.ErrNotFound.
func (m *Maker) Find(ctx context.Context, d *bmapi.Domain, r Ref) (*Entry, error) {
	return nil, errNotYet
}

// Withdraw takes back what was made, while it is as it was made.
func (m *Maker) Withdraw(ctx context.Context, made Made, empty func(ctx context.Context, uid string) (bool, error)) (Outcome, error) {
	return Outcome{}, errNotYet
}

// IsDirectoryDomain tells whether a domain imports its users from LDAP or AD.
func IsDirectoryDomain(d *bmapi.Domain) bool { return false }
