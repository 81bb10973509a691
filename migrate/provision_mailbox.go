package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// prove looks at the mailbox that mail is about to go to.
func (v *provisioner) prove(ctx context.Context, e *entry, found *objects.Entry) (err error) {
	box := found.Box
	if box == nil {
		if box, err = v.p.admin.Mailbox(ctx, e.Domain.UID, found.UID); err != nil {
			return fmt.Errorf("mailbox of %s: %w", e.Address, err)
		}
	}
	if err := refuseAdministrators(box.Name, box.Name+"@"+e.Domain.UID); err != nil {
		return err
	}
	e.UID, e.Login = box.UID, box.Name
	return usable(box, e)
}

// usable says why a mailbox can't be filled.
func usable(box *bmapi.Mailbox, e *entry) error {
	kind, want := KindUser, bmapi.BoxUser
	if e.Share {
		kind, want = KindShare, bmapi.BoxMailshare
	}
	switch {
	case box.Type != want:
		return blocked("correct the kind or the address in accounts.csv, and plan again", "%s belongs to a %s in BlueMind, and the plan says %s", e.Address, box.Type, kind)
	case box.Archived:
		return blocked("reactivate the "+kind+" in BlueMind", "%s is suspended", e.Address)
	case box.Routing == bmapi.RoutingExternal && !e.Share && e.Version >= 5:
		// A split domain: the mailbox is there, and is filled before its user moves.
	case box.Routing != bmapi.RoutingInternal:
		return blocked("set the mail routing of the "+kind+" to internal", "%s: routing %s: its mail is not stored in BlueMind", e.Address, box.Routing)
	}
	return nil
}

// folders waits for the default folders, which BlueMind makes with the
// mailbox; a hook that failed is swallowed there, so they are asked for, and
// repaired once if they don't come.
func (v *provisioner) folders(ctx context.Context, e *entry) error {
	for try := range 12 {
		list, err := v.p.admin.Folders(ctx, e.Domain.UID, e.UID, !e.Share)
		if err == nil && (e.Share && hasShareDefaults(list, e.Login) || !e.Share && hasDefaults(list)) {
			return nil
		}
		if err != nil && !errors.Is(err, bmapi.ErrNotFound) && bmapi.CodeOf(err) != bmapi.CodeUnknown {
			return fmt.Errorf("folders of %s: %w", e.Address, err)
		}
		if try == 4 {
			if _, err := v.p.admin.Repair(ctx, e.Domain.UID, e.UID, []string{"mailboxAclsContainer", "replication.subtree", "mailboxDefaultFolders"}, false); err != nil {
				v.p.log.Warn("repair of default folders", "account", e.Address, "error", err)
			}
		}
		if err := v.sleep(ctx, time.Duration(try+1)*100*time.Millisecond); err != nil {
			return err
		}
	}
	return blocked("bm-cli maintenance repair --ops mailboxDefaultFolders "+e.Address, "the mailbox of %s has no default folders", e.Address)
}

// hasDefaults says whether a user's default folders are there.
func hasDefaults(list []bmapi.MailFolder) bool {
	have := present(list)
	return have["INBOX"] && have["Sent"] && have["Trash"] && have["Drafts"] && have["Junk"]
}

// hasShareDefaults says whether a share's own folder is there and Sent below;
// Trash comes with them only since 4.7.
func hasShareDefaults(list []bmapi.MailFolder, name string) bool {
	have := present(list)
	return have[name] && have[name+"/Sent"]
}

func present(list []bmapi.MailFolder) map[string]bool {
	have := map[string]bool{}
	for _, f := range list {
		have[f.FullName] = !f.Deleted
	}
	return have
}

// defaultMessageLimit is BlueMind's where none was configured (bluemind/imap.md §1.6).
const defaultMessageLimit = 20_000_000

func (v *provisioner) limits(ctx context.Context, e *entry) error {
	c, err := v.p.admin.MailboxConfig(ctx, e.Domain.UID, e.UID)
	if err != nil {
		return fmt.Errorf("limits of %s: %w", e.Address, err)
	}
	e.Limit = c.MessageMaxSize
	if e.Limit == 0 {
		e.Limit = defaultMessageLimit
	}
	if c.Quota != nil {
		e.Quota = *c.Quota
	}
	return nil
}
