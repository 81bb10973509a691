package imap

import (
	"context"
	"strings"
)

// Grant is what one identifier may do with a mailbox: one line of its access
// control list (RFC 4314 §2).
type Grant struct {
	Identifier string // as the server writes it: a login, "anyone", a group's name in the server's own way
	Rights     string // one letter a right, as sent
	Negative   bool   // these rights are taken away ("-" before the identifier)
}

// ACL asks who may do what with a mailbox (GETACL, RFC 4314 §3.3). A server
// refuses where the session's user may not administer the mailbox.
func (s *Source) ACL(ctx context.Context, name string) ([]Grant, error) {
	wire := s.wire(name)
	if err := s.unsendable("GETACL", wire); err != nil {
		return nil, err
	}
	var list []Grant
	_, err := s.exchange(ctx, "GETACL "+quoteMailbox(wire), named("ACL", func(r *response) (err error) {
		list, err = r.acl()
		return err
	}))
	return list, err
}

// acl reads what follows ACL: a mailbox, then identifiers and their rights.
func (r *response) acl() (list []Grant, err error) {
	if _, _, err := r.str(); err != nil {
		return nil, err
	}
	for r.spaces(); !r.over(); r.spaces() {
		identifier, _, err := r.str()
		if err != nil {
			return list, err
		}
		g := Grant{Identifier: displayName(string(identifier))}
		rights, _, err := r.str()
		if err != nil {
			return list, err
		}
		g.Rights = string(rights)
		if g.Identifier == "" && g.Rights == "" { // not a list of strings
			return list, nil
		}
		if rest, ok := strings.CutPrefix(g.Identifier, "-"); ok {
			g.Identifier, g.Negative = rest, true
		}
		list = append(list, g)
	}
	return list, nil
}

// MyRights asks what the session's user may do with a mailbox: one letter a
// right (MYRIGHTS, RFC 4314 §3.5).
func (s *Source) MyRights(ctx context.Context, name string) (string, error) {
	wire := s.wire(name)
	if err := s.unsendable("MYRIGHTS", wire); err != nil {
		return "", err
	}
	rights := ""
	_, err := s.exchange(ctx, "MYRIGHTS "+quoteMailbox(wire), named("MYRIGHTS", func(r *response) error {
		if _, _, err := r.str(); err != nil {
			return err
		}
		list, _, err := r.str()
		rights = string(list)
		return err
	}))
	return rights, err
}
