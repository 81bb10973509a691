package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/imap"
)

// box is an account's mailbox on the target, by the names of its folders:
// those of plan and state, those of BlueMind's core, and those over IMAP, where
// the folders of a share lie below a root of the server's choice. A user's have
// one name everywhere.
//
// Read marks of a share are one for all its users (from BlueMind 4.5 on): what
// was read at the source is read for everybody.
type box struct {
	home home
	name string // of the share in BlueMind, which an address need not tell
	root string // before it over IMAP: "Dossiers partagés/"
}

// boxOf is the box of an account whose entry in BlueMind bears a name; over
// IMAP it is known once a session was asked.
func boxOf(kind, address, name string) box {
	return box{home: homeOf(shareName(kind, address)), name: name}
}

func (b box) share() bool { return b.home.share != "" }

// inbox is the folder that stands for INBOX.
func (b box) inbox() string { return b.home.path(b.home.inbox) }

// emptied says whether a folder is one that users empty with a click, all at once
// (Trash and Junk), or below one.
func (b box) emptied(target string) bool {
	for _, role := range []Role{RoleTrash, RoleJunk} {
		name := b.home.roles[role]
		if path := b.home.path(name); name != "" && (target == path || strings.HasPrefix(target, path+"/")) {
			return true
		}
	}
	return false
}

// core is what BlueMind's core calls a folder of plan or state.
func (b box) core(target string) string {
	if !b.share() {
		return target
	}
	if below := b.home.below(target); below != "" {
		return b.name + "/" + below
	}
	return b.name
}

// imap is what a folder of plan or state is called over IMAP.
func (b box) imap(target string) string { return b.root + b.core(target) }

// planned is what plan and state call a folder of BlueMind's core; ok is false
// for one of another mailbox.
func (b box) planned(core string) (target string, ok bool) {
	if !b.share() {
		return core, true
	}
	if core == b.name {
		return b.home.share, true
	}
	below, ok := strings.CutPrefix(core, b.name+"/")
	return b.home.path(below), ok
}

// asked takes a folder's name as people give it: as in the plan or as they see
// it over IMAP.
func (b box) asked(name string) string {
	if !b.share() || name == b.home.share || strings.HasPrefix(name, b.home.share+"/") {
		return name
	}
	// As core has it, or below whatever root the server has over IMAP.
	if i := strings.Index("/"+name+"/", "/"+b.name+"/"); i >= 0 {
		if target, ok := b.planned(name[i:]); ok {
			return target
		}
	}
	return name
}

// enter finds an account's box over IMAP, and makes sure that the user of the
// session may write to it.
func (r *runner) enter(ctx context.Context, dst *imap.Target, e *entry, kind, address string) (box, error) {
	b, err := r.find(ctx, dst, e, kind, address)
	if err != nil || !b.share() {
		return b, err
	}
	name := b.imap(b.inbox())
	return b, r.patiently(ctx, e, func() error {
		rights, err := dst.Rights(ctx, name)
		switch {
		case refused(err), !dst.Can("ACL"): // BlueMind's API has said so already
			return nil
		case err != nil:
			return fmt.Errorf("rights on %q: %w", name, err)
		case !strings.Contains(rights, "i"):
			return blocked(writerMend, "%s may not put mail into %q (rights: %q)", e.Writer.Address, name, rights)
		}
		return nil
	})
}

const writerMend = "give the writer of the share the right Write on it in BlueMind, then run again"

// find asks the server where its shared mailboxes are (RFC 2342), and makes
// sure that the account's can be opened there. BlueMind 5 lists only those that
// the user is subscribed to, and opens the others all the same.
func (r *runner) find(ctx context.Context, dst *imap.Target, e *entry, kind, address string) (box, error) {
	b := boxOf(kind, address, e.Login)
	if !b.share() {
		return b, nil
	}
	ns, err := dst.Namespace(ctx)
	if err != nil && !refused(err) {
		return b, fmt.Errorf("namespaces of the target: %w", err)
	}
	return b, r.patiently(ctx, e, func() error {
		var last error = blocked("see why BlueMind's IMAP server has no root for shared mailboxes", "the target names no namespace for shared mailboxes")
		for _, n := range ns.Shared {
			b.root = n.Prefix
			name := b.imap(b.inbox())
			_, err := dst.Status(ctx, name)
			if err == nil {
				return nil
			}
			if !refused(err) {
				return fmt.Errorf("status of %q: %w", name, err)
			}
			last = &BlockedError{Reason: fmt.Sprintf("%s can't open %q", e.Writer.Address, name), Err: err, Mend: writerMend}
		}
		return last
	})
}

// rightsTries is how often a right is waited for, by the usual pauses some ten
// seconds: BlueMind 4 hands rights on to Cyrus, which may take a moment.
const rightsTries = 5

// patiently tries again while a person would have to decide. BlueMind 4 keeps
// to itself that rights did not reach Cyrus, and has a repair for that, which is
// asked for once.
func (r *runner) patiently(ctx context.Context, e *entry, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if _, lacks := errors.AsType[*BlockedError](err); !lacks || n == rightsTries {
			return err
		}
		if n == 2 && r.platform.version.Major == 4 {
			if _, err := r.platform.admin.Repair(ctx, e.Domain.UID, e.UID, []string{"mailboxAcls"}, false); err != nil {
				r.log.Warn("repair of rights", "account", e.Address, "error", err)
			}
		}
		if err := r.pause(ctx, r.opts.BackOff(n)); err != nil {
			return err
		}
	}
}

// folders lists the box's selectable folders by the names of plan and state.
// A share that IMAP doesn't list, since the user isn't subscribed to it, is
// asked for at core.
func (b box) folders(ctx context.Context, p *platform, e *entry, dst *imap.Target) (map[string]bool, error) {
	list, err := dst.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the target's folders: %w", err)
	}
	foreign, err := b.foreign(ctx, dst)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, m := range list {
		core, ours := strings.CutPrefix(m.Name, b.root)
		if m.Has(`\Noselect`) || !ours || slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(m.Name+"/", p) }) {
			continue
		}
		if target, ok := b.planned(core); ok {
			have[target] = true
		}
	}
	if !b.share() || have[b.inbox()] {
		return have, nil
	}
	core, err := p.admin.Folders(ctx, e.Domain.UID, e.UID, false)
	if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
		return nil, fmt.Errorf("folders of %s: %w", e.Address, err)
	}
	for _, f := range core {
		if target, ok := b.planned(f.FullName); ok && !f.Deleted {
			have[target] = true
		}
	}
	return have, nil
}

// foreign gives the namespaces whose folders are not the user's own; of a share
// there is none, for it lies in one.
func (b box) foreign(ctx context.Context, dst *imap.Target) ([]string, error) {
	if b.share() {
		return nil, nil
	}
	ns, err := dst.Namespace(ctx)
	if err != nil && !refused(err) {
		return nil, fmt.Errorf("namespaces of the target: %w", err)
	}
	return namespacesOf(ns).Foreign, nil
}
