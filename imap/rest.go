package imap

import (
	"context"
	"fmt"
)

// Resting is a folder that may be at rest: what it takes to tell.
type Resting struct {
	State   FolderState
	Books   Books
	Options CopyOptions
	Source  Status // what the source says of it, by STATUS or LIST
}

// AtRest says, folder by folder, which of them CopyMailbox would find unmoved on
// both sides and pass over. The source isn't asked: its numbers are given. The
// target is looked at as CopyMailbox looks at it (STATUS, and the newest copy by
// its UID), with the commands for several folders in one round trip. Nothing is
// written.
//
// A false is no finding: the folder is to be gone through. An error ended the
// session.
func AtRest(ctx context.Context, dst *Target, folders []Resting) ([]bool, error) {
	rest := make([]bool, len(folders))
	var looks []*look
	for i, f := range folders {
		c := &copier{dst: dst, books: f.Books, opts: f.Options.withDefaults(), state: f.State}
		if f.State.DstUIDValidity == 0 || dst.unsendable("SELECT", dst.wire(f.Options.Target)) != nil || !c.unmoved(f.Source) {
			continue
		}
		looks = append(looks, &look{copier: c, at: i, from: f.Source})
	}
	for len(looks) > 0 {
		part := looks[:min(looksAtOnce, len(looks))]
		looks = looks[len(part):]
		if err := lookAtAll(ctx, dst, part); refusedAlone(err) {
			continue // one of them, and all of them will tell
		} else if err != nil {
			return nil, err
		}
		for _, l := range part {
			still, err := l.still(ctx)
			if err != nil {
				return nil, err
			}
			rest[l.at] = still
		}
	}
	return rest, nil
}

// looksAtOnce is at how many folders a target is asked to look before its answers
// are waited for: few enough that neither side's buffers fill.
const looksAtOnce = 16

// look is a glance at one folder of the target, among others.
type look struct {
	*copier
	at     int
	from   Status
	to     Status
	newest []Message
}

func lookAtAll(ctx context.Context, dst *Target, looks []*look) error {
	var steps []step
	var lists []*listing
	for _, l := range looks {
		some, list := dst.glanceSteps(l.opts.Target, l.state.DstMaxUID, &l.to, &l.newest)
		steps = append(steps, some...)
		if list != nil {
			lists = append(lists, list)
		}
	}
	if err := dst.exchanges(ctx, steps...); err != nil {
		return fmt.Errorf("look at the target's folders: %w", err)
	}
	for _, l := range lists {
		if err := l.finish(); err != nil {
			return err
		}
	}
	return nil
}

// still is what CopyMailbox asks before it passes a folder over.
func (l *look) still(ctx context.Context) (bool, error) {
	if l.to.UIDValidity == 0 || l.sameTime(l.from, l.to) != nil {
		return false, nil
	}
	l.dstValidity = l.to.UIDValidity
	l.ledger = l.books(l.from.UIDValidity, l.to.UIDValidity)
	return l.targetStill(ctx, l.to, l.newest)
}
