package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bmsync/bmapi"
	"bmsync/state"
)

// folders lists what the mailbox has, as BlueMind's core knows it.
func (a *accountCheck) folders(ctx context.Context) ([]bmapi.MailFolder, error) {
	list, err := a.platform.admin.Folders(ctx, a.domain.found.UID, a.box.UID, !a.share())
	if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
		return nil, err
	}
	if a.whole(list) || len(list) == 0 && a.box.Routing == bmapi.RoutingExternal {
		return list, nil
	}
	const text = "the mailbox has not all of its default folders"
	a.find(checkMailbox, Warning, text, "a run asks BlueMind to repair it", "")
	a.found.command(checkMailbox, Warning, text, "bm-cli maintenance repair --ops mailboxDefaultFolders ADDRESS")
	return list, nil
}

// whole says whether the folders are there that come with the mailbox.
func (a *accountCheck) whole(list []bmapi.MailFolder) bool {
	if !a.share() {
		return hasDefaults(list)
	}
	for _, f := range list {
		if f.FullName == a.box.Name && !f.Deleted {
			return true
		}
	}
	return false
}

// blank is rule 12: a mailbox that no run of ours has filled should be empty.
// What is taken for welcome mail here is what a run takes for it.
func (a *accountCheck) blank(ctx context.Context, list []bmapi.MailFolder) error {
	if ours, err := a.filled(ctx); err != nil || ours {
		if err == nil {
			a.find(checkBlank, Ok, "filled by an earlier run", "", "")
		}
		return err
	}
	total, inbox, err := a.count(ctx, list)
	if err != nil {
		return err
	}
	held := fmt.Sprintf("holds %d messages", total)
	switch {
	case total == 0:
		a.find(checkBlank, Ok, "empty", "", "")
	case a.Policy.IntoNonEmpty:
		a.find(checkBlank, Warning, "not empty; what is there is recognised by content (policy.into_non_empty)", "", held)
	case total == inbox && total <= welcome:
		a.find(checkBlank, Warning, fmt.Sprintf("up to %d messages in INBOX alone: taken for welcome mail", welcome), "", held)
	default:
		a.find(checkBlank, Blocker, "the mailbox holds mail that no run has put there",
			"migrate into empty mailboxes, or set policy.into_non_empty: true and plan again: what is there is then recognised by content", held)
	}
	return nil
}

// filled says whether earlier runs have put mail there, or have begun to.
func (a *accountCheck) filled(ctx context.Context) (bool, error) {
	if a.past == nil {
		return false, nil
	}
	if a.past.Adopt {
		return true, nil
	}
	sums, err := a.store.AccountSums(ctx, a.past.ID)
	if err != nil || sums[state.Copied].Messages+sums[state.Present].Messages > 0 {
		return err == nil, err
	}
	open, err := a.store.OpenIntents(ctx)
	if err != nil || open[a.past.ID] > 0 {
		return err == nil, err
	}
	folders, err := a.store.Folders(ctx, a.past.ID)
	for _, f := range folders {
		if f.DstMaxUID > 0 {
			return true, err
		}
	}
	return false, err
}

// count asks the API how many messages a mailbox holds. A folder that has
// never given a UID holds none, and what an earlier probe has left is ours.
func (a *accountCheck) count(ctx context.Context, list []bmapi.MailFolder) (total, inbox int64, err error) {
	root := "INBOX"
	if a.share() {
		root = a.box.Name
	}
	for _, f := range list {
		if f.Deleted || f.UIDValidity != 0 && f.LastUID == 0 || strings.HasPrefix(f.FullName, scratchPrefix) {
			continue
		}
		n, err := a.messages(ctx, f)
		if err != nil {
			return 0, 0, err
		}
		total += n
		if f.FullName == root {
			inbox = n
		}
	}
	return total, inbox, nil
}

// messages asks how many messages a folder holds.
func (c *checkup) messages(ctx context.Context, f bmapi.MailFolder) (int64, error) {
	filter := bmapi.AllMessages()
	if c.platform.version.Major == 4 {
		filter = bmapi.VisibleMessages() // all that it can count without what is expunged
	}
	n, err := c.platform.admin.Count(ctx, f.UID, filter)
	if err != nil {
		return 0, fmt.Errorf("count %q: %w", f.FullName, err)
	}
	return n, nil
}
