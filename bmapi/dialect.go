package bmapi

import (
	"context"
	"errors"
	"sync/atomic"
)

// dialects is what has been found out about how the server wants to be spoken to.
type dialects struct {
	version atomic.Pointer[Version] // nil: not asked yet
	items   atomic.Bool             // messages are read in the manner of the other version
	repair  atomic.Bool             // repairs are asked for in the manner of the other version
	noNames atomic.Bool             // mailboxes can't be asked for by name
}

// major is the major version as far as it is known, 0 if nobody has asked.
func (d *dialects) major() int {
	if v := d.version.Load(); v != nil {
		return v.Major
	}
	return 0
}

// version is the major version, asked for once. 3 is no error here.
func (c *Client) version(ctx context.Context) (int, error) {
	if m := c.dialect.major(); m != 0 {
		return m, nil
	}
	v, err := c.Installation(ctx)
	if _, tooOld := errors.AsType[*VersionError](err); tooOld && v.Major == 3 {
		err = nil
	}
	return v.Major, err
}

// tooOld refuses, unsent, what a server known to be 3.5 can't do.
func (c *Client) tooOld(s *Session, cl call) error {
	v := c.dialect.version.Load()
	switch {
	case v == nil || v.Major != 3:
		return nil
	case cl.to.modern != "":
		return &VersionError{Version: *v, What: cl.to.modern}
	case s.bearer:
		return &VersionError{Version: *v, What: "take an API key without a login"}
	}
	return nil
}

// missing explains a call that the server does not have by its version, where that
// is the reason.
func (c *Client) missing(ctx context.Context, cl call, err error) error {
	if cl.to.modern == "" || c.dialect.major() != 0 {
		return err
	}
	if major, verr := c.version(ctx); verr != nil || major != 3 {
		return err
	}
	return &VersionError{Version: *c.dialect.version.Load(), What: cl.to.modern}
}

// either tries two ways of asking for one thing: the usual one of the server's version
// first, unless the other has proved right before. refused tells whether a fault
// means that the server does not know that way. If both are refused, the first
// answer stands.
func either(swapped *atomic.Bool, refused func(error) bool, usual, other func() error) error {
	was := swapped.Load()
	if was {
		usual, other = other, usual
	}
	first := usual()
	if first == nil || !refused(first) {
		return first
	}
	second := other()
	if second != nil && refused(second) {
		return first
	}
	swapped.Store(!was)
	return second
}

func isNoRoute(err error) bool { return errors.Is(err, ErrNoRoute) }
