package migrate

import (
	"context"
	"errors"
	"fmt"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// blank is rule 12: a mailbox that no run of ours has filled should be empty.
// What is taken for welcome mail here is what a run takes for it.
func (a *accountCheck) blank(ctx context.Context) error {
	if ours, err := a.filled(ctx); err != nil || ours {
		if err == nil {
			a.find(checkBlank, Ok, "filled by an earlier run", "", "")
		}
		return err
	}
	list, err := a.platform.admin.Folders(ctx, a.domain.found.UID, a.box.UID, true)
	if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
		return err
	}
	if !hasDefaults(list) {
		a.find(checkMailbox, Warning, "the mailbox has not all of its default folders", "a run asks BlueMind to repair it; or bm-cli maintenance repair --ops mailboxDefaultFolders ADDRESS", "")
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
// never given a UID holds none.
func (a *accountCheck) count(ctx context.Context, list []bmapi.MailFolder) (total, inbox int64, err error) {
	filter := bmapi.AllMessages()
	if a.platform.version.Major == 4 {
		filter = bmapi.VisibleMessages() // all that it can count without what is expunged
	}
	for _, f := range list {
		if f.Deleted || f.UIDValidity != 0 && f.LastUID == 0 {
			continue
		}
		n, err := a.platform.admin.Count(ctx, f.UID, filter)
		if err != nil {
			return 0, 0, fmt.Errorf("count %q: %w", f.FullName, err)
		}
		total += n
		if f.FullName == "INBOX" {
			inbox = n
		}
	}
	return total, inbox, nil
}

// probe goes the way that mail will go: as the user, by a key made for this
// look, into INBOX. The key is deleted whatever happens.
func (a *accountCheck) probe(ctx context.Context) {
	if a.imap.hopeless() {
		a.find(checkUsable, Skipped, "no login tried, since none before had succeeded", "", "")
		return
	}
	if a.seats.Acquire(ctx, 1) != nil {
		return // stopped
	}
	defer a.seats.Release(1)
	e := &entry{Domain: a.domain.found, UID: a.box.UID, Login: a.box.Name, Address: a.address(), Version: a.platform.version.Major}
	k, err := openKey(ctx, a.platform, e, a.run, nil, a.Now)
	if err != nil {
		if ctx.Err() == nil {
			a.keyTrouble(err)
		}
		return
	}
	err = a.inbox(ctx, k)
	if closing := k.close(ctx); closing != nil {
		a.find(checkUsable, Warning, "the key of this check could not be deleted", "the next run sweeps it once its quarter of an hour is over", closing.Error())
	}
	if ctx.Err() != nil {
		return
	}
	a.imap.note(sourceLogin{login: e.Address, rows: []int{a.row}}, err)
	if err != nil {
		a.probeTrouble(err)
		return
	}
	a.find(checkUsable, Ok, "logs in by a key, and opens INBOX", "", "")
}

// inbox logs in and opens INBOX; its UIDVALIDITY is asked for with it.
func (a *accountCheck) inbox(ctx context.Context, k *key) error {
	t, err := k.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	if !t.Can("UIDPLUS") {
		return blocked("bmsync needs UIDPLUS (RFC 4315) to know what it wrote", "the target doesn't announce UIDPLUS")
	}
	_, err = t.Select(ctx, "INBOX")
	return err
}

func (a *accountCheck) keyTrouble(err error) {
	v := judge(err)
	b, isBlocked := errors.AsType[*BlockedError](err)
	_, refused := errors.AsType[*bmapi.AuthError](err)
	switch {
	case isBlocked && len(b.Mend) > 0:
		a.find(checkUsable, Blocker, "no key could be had that BlueMind takes", "see what each account says; keys of a run under way end within a quarter of an hour", b.Reason+"; "+b.Mend)
	case refused:
		a.find(checkUsable, Blocker, "BlueMind lets nobody in as this user", v.mend, v.reason)
	default:
		a.find(checkUsable, Blocker, "no key could be made", v.mend, v.reason)
	}
}

func (a *accountCheck) probeTrouble(err error) {
	v := judge(err)
	e, ok := errors.AsType[*imap.Error](err)
	switch {
	case !ok:
		a.find(checkUsable, Blocker, "IMAP can't be used", v.mend, v.reason)
	case untrusted(err):
		a.find(checkCertificate, Blocker, fmt.Sprintf("%s shows a certificate that isn't trusted: %v", a.Target.IMAP.Addr, reason(err)), certificateMend(a.Target.IMAP.Addr), "")
	case hostTrouble(err):
		a.find(checkRunning, Blocker, "IMAP at "+a.Target.IMAP.Addr+" fails", "see whether imap and tls of target "+a.Target.Name+" are right, and whether BlueMind is up", plain(e))
	case e.Command == "LOGIN" || e.Command == "AUTHENTICATE":
		a.find(checkUsable, Blocker, "IMAP refuses the user with a key that BlueMind made", "see in BlueMind whether the user may log in, and whether a proxy locks out", plain(e))
	default:
		a.find(checkMailbox, Blocker, "INBOX can't be opened", "bm-cli maintenance repair --ops mailboxDefaultFolders ADDRESS", plain(e))
	}
}
