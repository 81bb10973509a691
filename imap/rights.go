package imap

import "context"

// Rights asks what the user of the session may do with a mailbox: one letter a
// right (MYRIGHTS, RFC 4314 §3.8). A server without ACL answers BAD.
func (t *Target) Rights(ctx context.Context, name string) (string, error) {
	wire := t.wire(name)
	if err := t.unsendable("MYRIGHTS", wire); err != nil {
		return "", err
	}
	rights := ""
	_, err := t.exchange(ctx, "MYRIGHTS "+quoteMailbox(wire), named("MYRIGHTS", func(r *response) error {
		if _, _, err := r.str(); err != nil {
			return err
		}
		r.spaces()
		list, _, err := r.str()
		rights = string(list)
		return err
	}))
	return rights, err
}
